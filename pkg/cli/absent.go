package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

// absentCommand is a command of Docker's or Podman's that Moss does not have. Whoever types it is told what there is instead, and not what is spelled like it.
type absentCommand struct {
	parents []string // the words before it
	name    string
	instead string
}

func absentCommands() []absentCommand {
	container := []string{"moss", "moss container"}
	top := []string{"moss"}
	const unit = "a systemd unit with ExecStart=moss run is what there is"
	return []absentCommand{
		{container, "cp", "moss exec CONTAINER cat FILE > FILE reads a file, moss exec -i CONTAINER sh -c 'cat > FILE' < FILE writes one, and tar in place of cat does for directories"},
		{container, "export", "moss exec CONTAINER tar -c --one-file-system / > FILE, or moss commit and moss save"},
		{container, "pause", "moss kill --signal STOP CONTAINER stops its first process"},
		{container, "unpause", "moss kill --signal CONT CONTAINER lets its first process go on"},
		{container, "top", "moss exec CONTAINER ps lists its processes"},
		{container, "stats", "the processes of containers are among yours in top and ps"},
		{container, "update", "make the container anew, with other flags"},
		{container, "mount", "moss exec looks into a container that runs, and moss image mount into an image"},
		{[]string{"moss", "moss system"}, "events", "moss wait tells the end of a container, and moss ps the rest"},
		{top, "context", "moss works on this machine, as docker's context default does"},
		{top, "compose", "moss network create and one moss run for each service do what its file says"},
		{top, "swarm", "moss works on one machine"},
		{top, "stack", "moss works on one machine"},
		{top, "service", "moss works on one machine"},
		{top, "node", "moss works on one machine"},
		{top, "pod", "moss run --network, --ipc and --pid container:NAME share what containers in a pod do"},
		{top, "kube", "moss run takes what the file says as flags"},
		{top, "play", "moss run takes what the file says as flags"},
		{top, "generate", unit},
		{top, "quadlet", unit},
		{top, "healthcheck", "moss exec CONTAINER runs the command that checks it"},
		{top, "secret", "moss run -v FILE:/run/secrets/NAME:ro gives a container a file, and moss build has --secret"},
	}
}

// instead is what there is in place of a command that Moss does not have below cmd; "" for a word that is none of those.
func instead(cmd *cobra.Command, name string) string {
	for _, c := range absentCommands() {
		if c.name == name && slices.Contains(c.parents, cmd.CommandPath()) {
			return c.instead
		}
	}
	return ""
}
