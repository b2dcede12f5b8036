// Package page tests the page of the journeys extension in a real browser,
// against the real extension. Pictures of all views are in .run/page after a
// run, for people to look at.
package page
