// Command shopper makes the demo shop's traffic with a known truth.
package main

func main() {}
