// Package variables lists the environment variables that each program of the
// demo shop reads. It is the only list: the programs validate and read their
// environment through it, the README's tables repeat it, and a check of a
// compose file can ask it whether a variable means anything to a service.
//
// It imports the standard library only, so that other modules can use it
// without the shop's dependencies.
package variables

import (
	"maps"
	"slices"
)

// Kind says what a value has to look like.
type Kind string

// The kinds of values. Choice and List take their words from Variable.Choices.
const (
	Text     Kind = "text"
	Address  Kind = "host:port"
	HTTPURL  Kind = "http or https URL"
	AMQPURL  Kind = "amqp or amqps URL"
	Duration Kind = "duration, like 1m30s"
	Millis   Kind = "whole number of milliseconds"
	Count    Kind = "whole number above 0"
	Integer  Kind = "whole number"
	Number   Kind = "number above 0"
	Ratio    Kind = "number from 0 to 1"
	Port     Kind = "port number"
	Boolean  Kind = "true or false"
	Choice   Kind = "one of the choices"
	List     Kind = "comma-separated list of the choices"
	Shares   Kind = "comma-separated name=percent"
)

// Variable is one environment variable of one program.
type Variable struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Default string   `json:"default,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Purpose string   `json:"purpose"`
	// Secret values are never repeated in an error or a log line.
	Secret bool `json:"secret,omitempty"`
}

// Programs returns the names of the shop's programs, sorted.
func Programs() []string {
	return slices.Sorted(maps.Keys(programs))
}

// Of returns the variables the program reads, and nil for a program that does
// not exist. The slice is the caller's own.
func Of(program string) []Variable {
	return slices.Clone(programs[program])
}
