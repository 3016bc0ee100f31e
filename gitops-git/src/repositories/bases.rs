use std::io::Read;
use std::sync::Arc;

use kustomize_core::{FileSource, Remote as Bases, RemoteBase, RemoteError as BaseError, RemoteLimits};

use crate::repositories::Repositories;
use crate::revision::Revision;
use crate::transport::{http, http_agent};
use crate::url::RepoUrl;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Remote bases of a build come from mirrors, and files from HTTP servers.
///
/// Submodules of a base are followed when the base asks for them, which is the
/// default of kustomize. Files are asked for without credentials.
impl Bases for Repositories {
    fn repository(&self, base: &RemoteBase) -> Result<Arc<dyn FileSource>, BaseError> {
        let transfer = |source: Cause| BaseError::Transfer { source };
        let url: RepoUrl = base.repository.parse().map_err(|error| transfer(Box::new(error)))?;
        if !self.allows(&url) {
            return Err(transfer(format!("{url} is not allowed").into()));
        }
        let mut repositories = self.clone();
        repositories.settings.timeouts.total = repositories.settings.timeouts.total.min(base.timeout);
        let mirror = repositories.mirror(&url).map_err(|error| transfer(Box::new(error)))?;
        let Ok(revision) = base.revision.as_deref().unwrap_or("").parse::<Revision>();
        let commit = mirror.fetch(&revision).map_err(|error| transfer(Box::new(error)))?;
        let tree = mirror.tree(commit.id).map_err(|error| transfer(Box::new(error)))?;
        match base.submodules {
            false => Ok(Arc::new(tree)),
            true => {
                let tree = tree.with_submodules(&url, &repositories);
                Ok(Arc::new(tree.map_err(|error| transfer(Box::new(error)))?))
            }
        }
    }

    fn file(&self, url: &str, limits: RemoteLimits) -> Result<Vec<u8>, BaseError> {
        let transfer = |source: Cause| BaseError::Transfer { source };
        let without_query = url.split(['?', '#']).next().unwrap_or(url);
        let parsed: RepoUrl = without_query.parse().map_err(|error| transfer(Box::new(error)))?;
        if !self.allows(&parsed) {
            return Err(transfer(format!("{parsed} is not allowed").into()));
        }
        let settings = self.settings.with_url(parsed);
        let agent =
            http_agent::of(&settings, &http::base_of(&settings.url)).map_err(|error| transfer(Box::new(error)))?;
        let sent = agent.get(url).config().timeout_global(Some(limits.time)).build().call();
        let response = sent.map_err(|error| match error {
            ureq::Error::Timeout(_) => BaseError::Timeout { limit: limits.time },
            error => transfer(Box::new(error)),
        })?;
        if !response.status().is_success() {
            return Err(BaseError::Status { code: response.status().as_u16() });
        }
        let mut content = Vec::new();
        let mut body = response.into_body().into_reader().take(limits.bytes.saturating_add(1));
        body.read_to_end(&mut content).map_err(|error| transfer(Box::new(error)))?;
        match content.len() as u64 > limits.bytes {
            true => Err(BaseError::TooLarge { limit: limits.bytes }),
            false => Ok(content),
        }
    }
}
