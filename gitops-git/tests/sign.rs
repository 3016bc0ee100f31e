//! Signatures, made and checked by ssh-keygen, gpg and git.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use gitops_git::{GpgSigner, Mirror, ObjectId, Remote, Revision, SignatureKind, SshSigner, TrustedKeys, VerifyError};
use support::{Fixture, git, options};

fn ssh_key(dir: &Path, name: &str) -> (PathBuf, String) {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public)
}

fn verify(mirror: &Mirror, id: ObjectId, signers: &str) -> Result<gitops_git::Verification, VerifyError> {
    mirror.verify(id, &TrustedKeys::new().allowed_signers(signers))
}

#[test]
fn ssh_signatures_are_made_and_checked_as_git_does() {
    let fixture = Fixture::new(1);
    let dir = fixture.dir.path();
    let (key, public) = ssh_key(dir, "ci");
    let (_, stranger) = ssh_key(dir, "stranger");
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let signed = options("signed").signer(SshSigner::new(&key));
    let pushed = mirror.commit_and_push("main", &signed, |tree| tree.write("S".as_ref(), "s")).unwrap();
    let commit = pushed.commit().unwrap();

    let allowed = format!("ci@example.com {public}");
    let verified = verify(&mirror, commit, &allowed).unwrap();
    assert_eq!((verified.kind, verified.signer.as_str()), (SignatureKind::Ssh, "ci@example.com"));
    assert!(verified.fingerprint.starts_with("SHA256:"), "{verified:?}");
    let file = dir.join("allowed");
    std::fs::write(&file, &allowed).unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={}", file.display());
    git(&fixture.repository(), &["-c", &setting, "verify-commit", "main"]);

    for signers in [format!("ci@example.com {stranger}"), String::new()] {
        let refused = verify(&mirror, commit, &signers);
        assert!(matches!(refused, Err(VerifyError::NotGood { .. })), "{refused:?}");
    }
    let other_use = format!("ci@example.com namespaces=\"file\" {public}");
    assert!(matches!(verify(&mirror, commit, &other_use), Err(VerifyError::NotGood { .. })));
    let refused = mirror.verify(commit, &TrustedKeys::new());
    assert!(matches!(refused, Err(VerifyError::NoTrustedKeys { kind: SignatureKind::Ssh, .. })), "{refused:?}");
}

#[test]
fn a_signature_moved_to_another_commit_is_not_good() {
    let fixture = Fixture::new(1);
    let (key, public) = ssh_key(fixture.dir.path(), "ci");
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let signed = options("signed").signer(SshSigner::new(&key));
    mirror.commit_and_push("main", &signed, |tree| tree.write("S".as_ref(), "s")).unwrap();
    let forged = fixture.git(&["cat-file", "commit", "main"]).replace("\n\nsigned", "\n\nforged");
    let forged = support::git_with_input(
        &fixture.repository(),
        &["hash-object", "-t", "commit", "-w", "--stdin"],
        format!("{forged}\n").as_bytes(),
    );
    fixture.git(&["update-ref", "refs/heads/main", &forged]);
    let commit = mirror.fetch(&Revision::branch("main")).unwrap().id;
    assert_eq!(commit.to_string(), forged);
    let refused = verify(&mirror, commit, &format!("ci@example.com {public}"));
    assert!(matches!(refused, Err(VerifyError::NotGood { .. })), "{refused:?}");
}

#[test]
fn tags_are_verified_and_the_unsigned_are_told() {
    let fixture = Fixture::new(1);
    let (key, public) = ssh_key(fixture.dir.path(), "ci");
    let (format, signing) = ("gpg.format=ssh", format!("user.signingKey={}", key.display()));
    git(&fixture.repository(), &["-c", format, "-c", &signing, "tag", "-s", "-m", "release", "v1", "main"]);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let commit = mirror.fetch(&Revision::tag("v1")).unwrap();
    let allowed = format!("ci@example.com {public}");
    verify(&mirror, commit.tag_object.unwrap(), &allowed).unwrap();
    let unsigned = verify(&mirror, commit.id, &allowed);
    assert!(matches!(unsigned, Err(VerifyError::Unsigned { .. })), "{unsigned:?}");
    let unknown = verify(&mirror, "1".repeat(40).parse().unwrap(), &allowed);
    assert!(matches!(unknown, Err(VerifyError::Read { .. })), "{unknown:?}");
}

#[test]
fn openpgp_signatures_are_made_and_checked() {
    let home = tempfile::tempdir().unwrap();
    let generate = ["--batch", "--passphrase", "", "--quick-generate-key", "CI <ci@example.com>", "ed25519", "sign"];
    let made = Command::new("gpg").arg("--homedir").arg(home.path()).args(generate).output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: gpg is not installed");
        return;
    }
    let fixture = Fixture::new(1);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let signed = options("signed").signer(GpgSigner::new("ci@example.com").home(home.path()));
    let pushed = mirror.commit_and_push("main", &signed, |tree| tree.write("S".as_ref(), "s")).unwrap();
    let commit = pushed.commit().unwrap();
    let verified = mirror.verify(commit, &TrustedKeys::new().gpg_home(home.path())).unwrap();
    assert_eq!((verified.kind, verified.signer.as_str()), (SignatureKind::OpenPgp, "CI <ci@example.com>"));
    let strangers = tempfile::tempdir().unwrap();
    let refused = mirror.verify(commit, &TrustedKeys::new().gpg_home(strangers.path()));
    assert!(matches!(refused, Err(VerifyError::NotGood { .. })), "{refused:?}");
}

#[test]
fn a_key_that_cannot_sign_stops_the_commit() {
    let fixture = Fixture::new(1);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let signed = options("signed").signer(SshSigner::new("/no/such/key"));
    let refused = mirror.commit_and_push("main", &signed, |tree| tree.write("S".as_ref(), "s"));
    assert!(matches!(refused, Err(gitops_git::PushError::Sign { .. })), "{refused:?}");
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "1");
}
