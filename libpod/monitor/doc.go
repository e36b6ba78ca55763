// Package monitor keeps one container: a small process that is the parent of the container's first
// process, writes its log, serves those who attach, records how it ended, starts it again when the
// policy says so, and ends with it.
//
// The engine starts it with Spawn and talks to it through the Handle until the container runs; later
// commands reach it through the socket RUNDIR/attach (Dial, Attach). The program cmd/moss-monitor calls
// Main. Files of a container that runs, below Request.RunDir (a tmpfs):
//
//	pid      Pids as JSON: who the monitor and the container's first process are
//	attach   unix socket, mode 0600, for the frames of frame.go
//	exit     Exit as JSON: how the last life ended, written once its log is complete
//
// The container's first process must die with its monitor (the launcher sets PR_SET_PDEATHSIG), so
// that a monitor that was killed never leaves an unattended container: the next command sees that the
// processes of the pid file are gone and that there is no exit file, and records 137.
package monitor
