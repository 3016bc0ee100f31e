//! HTTPS with a private certificate authority.

mod support;

use gitops_git::{Credentials, PollError, Proxy, RefFilter, Remote, RemoteError, Revision, Tls};
use support::http::{HttpServer, PASSWORD, USER, private_authority};
use support::{Fixture, options};

fn serve(fixture: &Fixture, name: &str) -> (HttpServer, String) {
    let (config, authority) = private_authority(name);
    (HttpServer::start_with(fixture.dir.path(), Some(PASSWORD), Some(config)), authority)
}

fn remote(server: &HttpServer) -> Remote {
    Remote::new(server.url()).credentials(Credentials::basic(USER, PASSWORD)).proxy(Proxy::None)
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let fixture = Fixture::new(2);
    let (server, authority) = serve(&fixture, "localhost");
    for tls in [Tls::with_roots(&authority), Tls::only_roots(&authority)] {
        let remote = remote(&server).tls(tls);
        assert_eq!(remote.list_refs(&RefFilter::branch("main")).unwrap().len(), 1);
    }
    let mirror = fixture.mirror(remote(&server).tls(Tls::only_roots(&authority)));
    mirror.fetch(&Revision::Head).unwrap();
    mirror.commit_and_push("main", &options("tls"), |tree| tree.write("T".as_ref(), "t")).unwrap();
    assert_eq!(fixture.git(&["show", "main:T"]), "t");
}

#[test]
fn unknown_authorities_and_wrong_names_are_refused_before_credentials_are_sent() {
    let fixture = Fixture::new(1);
    let (server, _) = serve(&fixture, "localhost");
    let (other, authority) = serve(&fixture, "other.example");
    for (server, tls) in [(&server, Tls::only_roots(&authority)), (&other, Tls::only_roots(&authority))] {
        let error = remote(server).tls(tls).list_refs(&RefFilter::all()).unwrap_err();
        let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(source, RemoteError::Certificate { .. }), "{source:?}");
        assert!(server.requests().is_empty());
    }
    let error = remote(&server).tls(Tls::only_roots("no pem")).list_refs(&RefFilter::all()).unwrap_err();
    let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Settings { .. }), "{source:?}");
}
