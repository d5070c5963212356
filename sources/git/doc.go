// Package git reads commits and their trees from a git repository, works out
// what merging a request would give, and writes git notes where no forge shows
// commit statuses.
//
// A repository elsewhere is kept as a bare mirror on disk, which is nothing but
// a cache: whatever is wrong with it, it is thrown away and cloned again. A
// repository on this machine is opened where it lies, and needs no git binary.
// Either way there is no checkout: trees are read from the object store, once a
// commit, and handed out as plain bytes.
//
// The wire protocol is spoken with go-git's session types rather than with its
// Remote, because Remote takes its transports from maps that the whole process
// shares and cannot end a silent SSH server. Here each [Repository] has its own
// HTTPS client, certificates, token and host keys, and a deadline for each
// conversation; and one advertisement answers both "did the branch move" and
// "is it still there".
//
// To add a protocol, satisfy server and name it in newServer.
//
// The package refuses: protocols that do not prove who answers (git://, and a
// token over http:// to another machine), host keys that nobody vouched for,
// packs that unfold to more than they should, and in a tree symbolic links,
// submodules, names that no file may have and files above 1 MiB. It never
// writes to a branch.
package git
