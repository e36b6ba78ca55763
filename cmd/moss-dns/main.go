// Moss-dns answers the names of a user's containers; moss starts it when a container joins a network that has names.
package main

import (
	"os"

	"github.com/mosscontainers/moss/network/dns/server"
)

func main() { os.Exit(server.Main()) }
