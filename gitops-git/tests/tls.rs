//! HTTPS with a private certificate authority.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use gitops_git::{Credentials, PollError, Proxy, RefFilter, Remote, RemoteError, Revision, Tls};
use support::http::{HttpServer, PASSWORD, USER, mutual_authority, private_authority};
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
fn a_redirect_to_tls_is_followed_to_a_trusted_server_only() {
    let fixture = Fixture::new(1);
    let (config, authority) = private_authority("localhost");
    let (_, other) = private_authority("localhost");
    let server = HttpServer::start_with(fixture.dir.path(), None, Some(config));
    let front = HttpServer::start(fixture.dir.path(), None);
    let to = format!("Location: {}/info/refs?service=git-upload-pack\r\n", server.url());
    front.faults(|faults| faults.answer = Some((301, to, String::new())));
    let remote = |authority: &str| Remote::new(front.url()).proxy(Proxy::None).tls(Tls::only_roots(authority));
    fixture.mirror(remote(&authority)).fetch(&Revision::Head).unwrap();
    let error = remote(&other).list_refs(&RefFilter::all()).unwrap_err();
    assert!(matches!(error, PollError::Remote { source: RemoteError::Certificate { .. }, .. }), "{error:?}");
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

/// A proxy that lets through who knows the password, and the lines that it was asked.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&log);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            let headers: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            asked.lock().unwrap().push(request.clone());
            let basic = "basic dXNlcjpvcGVuIHNlc2FtZQ==";
            if !headers.iter().any(|header| header.to_lowercase().ends_with(&basic.to_lowercase())) {
                let _ = (&client).write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let server = TcpStream::connect(request.split(' ').nth(1).unwrap()).unwrap();
            (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut &client2, &mut &server2));
            std::thread::spawn(move || std::io::copy(&mut &server, &mut &client));
        }
    });
    (port, log)
}

#[test]
fn a_proxy_is_used_and_its_password_is_shown_nowhere() {
    let fixture = Fixture::new(1);
    let (server, authority) = serve(&fixture, "localhost");
    let (port, log) = proxy();
    let through = |password: &str| {
        let url = format!("http://user:{password}@127.0.0.1:{port}");
        remote(&server).tls(Tls::only_roots(&authority)).proxy(Proxy::Url(url.into()))
    };
    let mirror = fixture.mirror(through("open%20sesame"));
    mirror.fetch(&Revision::Head).unwrap();
    assert_eq!(log.lock().unwrap()[0], format!("CONNECT localhost:{} HTTP/1.1", server.port));
    server.requests();
    let error = through("close-sesame").list_refs(&RefFilter::all()).unwrap_err();
    assert!(server.requests().is_empty());
    let PollError::Remote { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Connect { .. }), "{source:?}");
    assert!(!format!("{error:?}").contains("close-sesame"), "{error:?}");
}

#[test]
fn a_server_may_ask_for_a_certificate() {
    let fixture = Fixture::new(1);
    let (config, authority, identity) = mutual_authority("localhost");
    let server = HttpServer::start_with(fixture.dir.path(), None, Some(config));
    let remote = Remote::new(server.url()).proxy(Proxy::None);
    let known = remote.clone().tls(Tls::only_roots(&authority).client_identity(identity));
    assert_eq!(known.list_refs(&RefFilter::branch("main")).unwrap().len(), 1);
    remote.tls(Tls::only_roots(&authority)).list_refs(&RefFilter::all()).unwrap_err();
}
