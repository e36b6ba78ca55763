#include "textflag.h"

#define SYS_prlimit64 302

// func getrlimit(resource uintptr, limit *[2]uint64)
TEXT ·getrlimit(SB), NOSPLIT, $0-16
	MOVQ	$0, DI
	MOVQ	resource+0(FP), SI
	MOVQ	$0, DX
	MOVQ	limit+8(FP), R10
	MOVQ	$SYS_prlimit64, AX
	SYSCALL
	RET
