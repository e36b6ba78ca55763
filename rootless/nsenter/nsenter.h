#ifndef MOSS_NSENTER_H
#define MOSS_NSENTER_H

/* Descriptors that the holder is started with, after its standard ones. */
enum {
	MOSS_HOLDER_SYNC = 3,    /* a socket to its parent, closed once the id maps are written */
	MOSS_HOLDER_LOCK = 4,    /* users.lock, unlocked */
	MOSS_HOLDER_PROGRAM = 5, /* sealed memory file with the monitor program */
	MOSS_HOLDER_EXIT_R = 6,  /* a pipe of which nobody writes: its reader is told when the holder ends */
	MOSS_HOLDER_EXIT_W = 7,
};

/* Descriptors that the door-keeper of moss-uplink is started with, after its standard ones. */
enum {
	MOSS_DOOR_NETNS = 3,   /* the namespace that is served, which is only kept */
	MOSS_DOOR_READY = 4,   /* a pipe: a byte says that the door is kept */
	MOSS_DOOR_EXIT = 5,    /* reading end of a pipe: without writers nobody needs the door any more */
	MOSS_DOOR_TAP = 6,     /* where the namespace's frames come out */
	MOSS_DOOR_PROGRAM = 7, /* sealed memory file with the program that serves them */
	MOSS_DOOR_RULES = 8,   /* Landlock rules for both; closed where the kernel has no Landlock */
};

/* What happened before Go started. */
struct moss_entry {
	int joined;  /* 1: inside the user's namespace */
	int holder;  /* pid of the holder that was found, 0 without */
	int lock_fd; /* users.lock, held shared, or -1 */
	int error;   /* errno of what failed after the namespace was joined */
	unsigned uid, gid; /* effective ids before joining */
	int monitor; /* pid of the monitor that was started for moss run, 0 without */
	int control; /* its control socket */
	unsigned fresh; /* the namespaces that it was told to make first, 0 for none */
	int no_full; /* errno of why this front program could not become the full one */
};

/* Descriptors that a monitor is started with, after its standard ones: see libpod/monitor. */
enum {
	MOSS_MONITOR_CONTROL = 3,
	MOSS_MONITOR_USERS_LOCK = 4,
};

/* What a monitor is told that may begin. */
enum { MOSS_MONITOR_FRESH = 'n' };

/* By how many nanoseconds timers of a monitor may be late: see SpawnLate in pkg/sys. */
enum { MOSS_LATE_TIMERS = 1000000 };

extern struct moss_entry moss_entry;

int moss_wants(int argc, char **argv);
/* Whether the front program has the command that these two words begin with; the second may be missing. */
int moss_is_quick(const char *command, const char *next);

/* The namespaces that moss run with this command line is going to make for its container (flags of clone(2)), as far as one sees; 0 where one does not. */
unsigned moss_fresh(int argc, char **argv);

/* Keeps the door of moss-uplink, whose command line argv is. It does not return. */
void moss_keep_door(char **argv);

/* Becomes the full program, which runs as if it had been executed: it returns only an errno. */
int moss_become_full(void);

#endif
