//! The HTTP clients of one [`Remote`]: trust, proxy, connections kept alive.

use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::remote::{Proxy, Remote, Tls};
use crate::remote_error::RemoteError;

/// The client for URLs that begin with `https:`, or the one for the others.
pub(crate) fn of(remote: &Remote, url: &str) -> Result<Agent, RemoteError> {
    let is_tls = url.starts_with("https:");
    let slot = if is_tls { &remote.clients.tls } else { &remote.clients.plain };
    if let Some(agent) = slot.get() {
        return Ok(agent.clone());
    }
    let agent = build(remote, is_tls)?;
    let agent = slot.get_or_init(|| agent).clone();
    remote.cancel.watch(slot);
    // Cancelled before it was watched, nobody would close its connections.
    match remote.cancel.is_cancelled() {
        true => Err(RemoteError::Cancelled),
        false => Ok(agent),
    }
}

fn build(remote: &Remote, is_tls: bool) -> Result<Agent, RemoteError> {
    let mut config = Agent::config_builder()
        // Statuses and redirects mean things here that `ureq` cannot know.
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy(&remote.proxy)?);
    // Reading the system's trust store takes a while, and there may be none.
    if is_tls {
        config = config.tls_config(tls(&remote.tls)?);
    }
    Ok(config.build().into())
}

fn proxy(proxy: &Proxy) -> Result<Option<ureq::Proxy>, RemoteError> {
    match proxy {
        Proxy::Environment => Ok(ureq::Proxy::try_from_env()),
        Proxy::None => Ok(None),
        Proxy::Url(url) => match ureq::Proxy::new(url.expose()) {
            Ok(proxy) => Ok(Some(proxy)),
            // Without the error, which may repeat a password in the URL.
            Err(_) => Err(settings("the proxy's URL is not valid")),
        },
    }
}

fn tls(tls: &Tls) -> Result<TlsConfig, RemoteError> {
    let mut roots = Vec::new();
    if let Some(pem) = &tls.extra_roots {
        roots.extend(certificates(pem)?);
        if roots.is_empty() {
            return Err(settings("the extra roots hold no certificate"));
        }
    }
    if !tls.only_extra_roots {
        let system = rustls_native_certs::load_native_certs().certs;
        roots.extend(system.iter().map(|der| Certificate::from_der(der).to_owned()));
    }
    if roots.is_empty() {
        return Err(settings("the system has no certificate authorities (on Linux, package ca-certificates)"));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).client_cert(client_identity(tls)?).build())
}

fn client_identity(tls: &Tls) -> Result<Option<ClientCert>, RemoteError> {
    let Some(pem) = &tls.client_identity else { return Ok(None) };
    let key = PrivateKey::from_pem(pem.expose().as_bytes())
        .map_err(|_| settings("the client identity holds no private key in PEM"))?;
    Ok(Some(ClientCert::new_with_certs(&certificates(pem.expose())?, key)))
}

fn certificates(pem: &str) -> Result<Vec<Certificate<'static>>, RemoteError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(settings("a certificate is not valid PEM")),
        }
    }
    Ok(certificates)
}

fn settings(reason: &str) -> RemoteError {
    RemoteError::Settings { reason: reason.to_owned() }
}
