package storage

// ShortID is the first twelve digits of an id, for messages.
func ShortID(id string) string { return id[:min(len(id), 12)] }
