package config

import "strings"

// additionalStores finds the read-only image stores among the driver's options, which is where
// storage.conf's additionalimagestores ends up: imagestore=PATH or overlay.imagestore=PATH.
func additionalStores(options []string) []string {
	var stores []string
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		if optionName(key) == "imagestore" && value != "" {
			stores = append(stores, strings.Split(value, ",")...)
		}
	}
	return stores
}

// Option is the value of a driver option by its short name ("mount_program"), or "".
func (s Storage) Option(name string) string {
	for _, option := range s.Options {
		key, value, _ := strings.Cut(option, "=")
		if optionName(key) == name {
			return value
		}
	}
	return ""
}

// optionName strips the driver: "overlay.mount_program" and ".mount_program" are "mount_program".
func optionName(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}
