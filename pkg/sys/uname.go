package sys

import "golang.org/x/sys/unix"

// KernelRelease is the release of the running kernel as uname(2) gives it: 6.12.5-amd64.
func KernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// Hostname is what this machine is called.
func Hostname() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Nodename[:]), nil
}

// Writable says whether this process could write to path, judged by its effective ids and
// capabilities.
func Writable(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil
}

// Exists says whether path can be reached.
func Exists(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.F_OK, 0) == nil
}

// DeviceNumber splits a device number as stat(2) gives it.
func DeviceNumber(rdev uint64) (major, minor int64) {
	return int64(unix.Major(rdev)), int64(unix.Minor(rdev))
}

// Device is the device number that has these two parts.
func Device(major, minor int64) uint64 { return unix.Mkdev(uint32(major), uint32(minor)) }
