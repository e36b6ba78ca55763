// Package term is what Moss knows of terminals: tables, colour and widths, and in console.go raw mode,
// detach keys and resizing.
package term
