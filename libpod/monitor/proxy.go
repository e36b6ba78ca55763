package monitor

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ProxySignals hands over every signal that can be caught, but those that are about this process. In the first second
// only those are caught that people send: the Go runtime takes longer to ask for all sixty than a short command takes
// to run. After stop they are lost: the command ends. One that was started to outlive its terminal (nohup(1)) keeps that from the container, too.
func ProxySignals(proxy func(syscall.Signal)) (stop func()) {
	signals := make(chan os.Signal, 64)
	quit, done := make(chan struct{}), make(chan struct{})
	stays := signal.Ignored(syscall.SIGHUP)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		defer close(done)
		later := time.NewTimer(time.Second)
		defer later.Stop()
		for {
			select {
			case <-quit:
				return
			case <-later.C:
				signal.Notify(signals)
			case s := <-signals:
				if meant(s) && !(stays && s == syscall.SIGHUP) {
					proxy(s.(syscall.Signal))
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// meant says whether a signal is for the container rather than about this process.
func meant(s os.Signal) bool {
	switch s {
	case syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGURG, syscall.SIGPIPE,
		syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT:
		return false
	}
	return true
}
