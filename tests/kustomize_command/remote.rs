//! Bases and files from elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::place::{POD, Place, git};
use crate::support::http::{HttpServer, PASSWORD, USER};

#[test]
fn a_base_in_another_repository() {
    let place = Place::new(&[("repo/base/kustomization.yaml", "resources: [pod.yaml]\n"), ("repo/base/pod.yaml", POD)]);
    let repo = place.path("repo");
    if !git(&repo, &["init", "--quiet", "--initial-branch=main"]) {
        eprintln!("skipped: no git to make a repository with");
        return;
    }
    assert!(
        git(&repo, &["add", "."]) && git(&repo, &["commit", "--quiet", "-m", "first"]) && git(&repo, &["tag", "v1"])
    );
    let url = format!("file://{}//base?ref=v1", repo.display());
    fs::create_dir(place.path("app")).expect("created");
    fs::write(place.path("app/kustomization.yaml"), format!("namePrefix: x-\nresources:\n- {url}\n")).expect("written");
    assert!(place.prints_the_same(&["build", "app"]).contains("name: x-a\n"));
    assert!(place.prints_the_same(&["build", &url]).contains("name: a\n"));
    assert!(place.fails(&["build", &url.replace("v1", "v2")]).contains("v2"));
}

/// `app.git` with the submodule `lib`, the tag `v1` and the branch `next`, behind `git http-backend`.
struct Served {
    place: Place,
    /// Of `app.git`.
    url: String,
    first: String,
}

const LAYER: &str = "namePrefix: base-\nresources: [../pod]\n";

impl Served {
    fn start() -> Option<Self> {
        let place = Place::new(&[
            ("lib/map/kustomization.yaml", "resources: [map.yaml]\n"),
            ("lib/map/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: lib\n"),
            ("app/kustomization.yaml", "resources: [base]\nnameSuffix: -root\n"),
            ("app/base/kustomization.yaml", LAYER),
            ("app/pod/kustomization.yaml", "resources: [pod.yaml]\n"),
            ("app/pod/pod.yaml", POD),
            ("app/component/kustomization.yaml", "kind: Component\nnameSuffix: -c\n"),
            ("app/outside/kustomization.yaml", "resources: [../../map.yaml]\n"),
            ("app/with-lib/kustomization.yaml", "resources: [../lib/map]\n"),
            ("build/kustomization.yaml", ""),
        ]);
        let (lib, app) = (place.path("lib"), place.path("app"));
        if !git(&lib, &["init", "--quiet", "--initial-branch=main"]) {
            eprintln!("skipped: no git to make a repository with");
            return None;
        }
        let commit = |dir: &Path| git(dir, &["add", "."]) && git(dir, &["commit", "--quiet", "-m", "x"]);
        assert!(commit(&lib) && git(place.path("").as_path(), &["clone", "--quiet", "--bare", "lib", "lib.git"]));
        assert!(git(&app, &["init", "--quiet", "--initial-branch=main"]));
        let file = "protocol.file.allow=always";
        assert!(git(&app, &["-c", file, "submodule", "--quiet", "add", "../lib.git", "lib"]));
        assert!(commit(&app) && git(&app, &["tag", "v1"]) && git(&app, &["switch", "--quiet", "-c", "next"]));
        fs::write(app.join("base/kustomization.yaml"), LAYER.replace("base-", "next-")).expect("written");
        assert!(commit(&app) && git(&app, &["switch", "--quiet", "main"]));
        let first = fs::read_to_string(app.join(".git/refs/tags/v1")).expect("a tag is a file");
        assert!(git(place.path("").as_path(), &["clone", "--quiet", "--bare", "app", "app.git"]));
        let url = HttpServer::start(&place.path(""), None).url().to_string();
        Some(Self { place, url, first: first.trim().to_owned() })
    }

    /// What a kustomization gives that says this of the address.
    fn builds(&self, field: &str, address: &str) -> String {
        self.write(field, address);
        self.place.prints_the_same(&["build", "build"])
    }

    fn refuses(&self, address: &str) -> String {
        self.write("resources", address);
        self.place.fails_the_same(&["build", "build"])
    }

    fn write(&self, field: &str, address: &str) {
        let text = format!("resources: [pod.yaml]\n{field}: ['{}{address}']\n", self.url);
        let text = if field == "resources" { text.replacen("resources: [pod.yaml]\n", "", 1) } else { text };
        fs::write(self.place.path("build/pod.yaml"), POD).expect("written");
        fs::write(self.place.path("build/kustomization.yaml"), text).expect("written");
    }
}

#[test]
fn a_base_behind_http() {
    let Some(served) = Served::start() else { return };
    let first = &served.first;
    for (address, name) in [
        ("", "base-a-root"),
        ("//base", "base-a"),
        ("/base", "base-a"),
        ("//base/", "base-a"),
        ("//pod/../base", "base-a"),
        ("?ref=next", "next-a-root"),
        ("//base?ref=v1", "base-a"),
        ("//base?ref=next", "next-a"),
        ("//base?version=next", "next-a"),
        (&format!("//base?ref={first}"), "base-a"),
        ("//base?ref=next&submodules=false&timeout=20s", "next-a"),
    ] {
        assert_eq!(served.builds("resources", address), POD.replace("name: a", &format!("name: {name}")), "{address}");
    }
    let root = format!("{}//base?ref=next", served.url);
    assert!(served.place.prints_the_same(&["build", &root]).contains("name: next-a\n"));
    assert!(served.builds("components", "//component?ref=v1").contains("name: a-c\n"));
    assert!(served.builds("bases", "//base").contains("name: base-a\n"));
    for (address, problem) in [
        ("//base?ref=none", "none"),
        ("//none", "none"),
        ("//lib", "kustomization"),
        ("//pod/pod.yaml", "pod.yaml"),
        ("//outside", "map.yaml"),
        ("//component", "Component"),
    ] {
        let error = served.refuses(address);
        assert!(error.contains(problem), "{address}: {error}");
    }
    served.write("resources", "");
    let elsewhere = served.place.read("build/kustomization.yaml").replace("app.git", "none.git");
    fs::write(served.place.path("build/kustomization.yaml"), elsewhere).expect("written");
    assert!(served.place.fails_the_same(&["build", "build"]).contains("none.git"));
    // kustomize knows no such scheme.
    let daemon = format!("resources: ['{}']\n", served.url.replace("http://", "git://"));
    fs::write(served.place.path("build/kustomization.yaml"), daemon).expect("written");
    served.place.fails_the_same(&["build", "build"]);
}

#[test]
fn a_base_for_which_the_url_has_a_password() {
    let Some(mut served) = Served::start() else { return };
    let server = HttpServer::start(&served.place.path(""), Some(PASSWORD));
    let refused = server.url().to_string();
    served.url = refused.replace("http://", &format!("http://{USER}:{PASSWORD}@"));
    assert!(served.builds("resources", "//base?ref=v1").contains("name: base-a\n"));
    served.url = refused;
    let error = served.refuses("//base?ref=v1");
    assert!(error.contains("credentials"), "{error}");
}

#[test]
fn submodules_are_there_unless_they_are_not_wanted() {
    let Some(served) = Served::start() else { return };
    assert!(served.builds("resources", "//with-lib?ref=v1").contains("name: lib\n"));
    assert!(served.builds("resources", "//lib/map?ref=next").contains("name: lib\n"));
    assert!(served.refuses("//with-lib?submodules=false").contains("lib"));
}

#[test]
fn a_file_behind_a_url() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let is_there = request[..read].starts_with(b"GET /pod.yaml ");
            let (status, body) = if is_there { ("200 OK", POD) } else { ("404 Not Found", "") };
            let length = body.len();
            // A client that has gone away needs no answer.
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    let place = Place::new(&[("kustomization.yaml", &format!("resources:\n- http://{address}/pod.yaml\n"))]);
    assert_eq!(place.prints_the_same(&["build"]), POD);
    fs::write(place.path("kustomization.yaml"), format!("resources:\n- http://{address}/none.yaml\n"))
        .expect("written");
    assert!(place.fails(&["build"]).contains("404"));
}

#[test]
fn a_url_is_added_if_something_is_there() {
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let place = Place::new(&[
        ("kustomization.yaml", text),
        ("pod.yaml", POD),
        ("repo/base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("repo/base/pod.yaml", POD),
    ]);
    let repo = place.path("repo");
    if !git(&repo, &["init", "--quiet", "--initial-branch=main"]) {
        eprintln!("skipped: no git to make a repository with");
        return;
    }
    assert!(git(&repo, &["add", "."]) && git(&repo, &["commit", "--quiet", "-m", "first"]));
    let url = format!("file://{}", repo.display());
    for noun in ["resource", "component"] {
        let adds = |path: &str| place.edits_the_same(&["edit", "add", noun, path]);
        assert!(adds(&url) && adds(&format!("{url}//base?ref=main")) && adds("base.yaml") == adds("none"));
        for missing in ["//none", "//base/pod.yaml", "//base?ref=other", "-other", "/../other"] {
            assert!(!adds(&format!("{url}{missing}")), "{missing}");
        }
        assert!(!place.edits_the_same(&["edit", "add", noun, "pod.yaml", &format!("{url}-other")]));
    }
    assert!(place.edits_the_same(&["edit", "add", "resource", "--no-verify", "http://127.0.0.1:1/a/b"]));
    fs::remove_file(place.path("kustomization.yaml")).expect("removed");
    place.prints(&["create", "--resources", &format!("{url}//base")]);
    assert!(place.prints(&["build"]).contains("name: a"));
}
