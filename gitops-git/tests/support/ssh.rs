//! OpenSSH's sshd with git-shell, as an unprivileged process.
