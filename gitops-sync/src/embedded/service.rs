//! Answers as HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};

use super::failure::Failure;
use super::faults::Fault;
use super::request::ApiRequest;
use super::server::{Answer, Server};
use super::watch::Watch;

/// The body of an answer.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one HTTP request.
pub(crate) async fn serve<B>(server: Arc<Server>, request: Request<B>) -> Result<Response<AnswerBody>, Infallible>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        // The client went away in the middle of its request; nobody reads the answer.
        Err(_) => return Ok(refused(&Failure::bad_request("the body of the request could not be read"))),
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned();
    let request = ApiRequest::new(&parts, body);
    server.requests().count(&request);
    let fault = server.faults.strike(&request);
    match fault {
        Some(Fault::TooManyRequests { retry_after }) => return Ok(refused(&Failure::too_many_requests(retry_after))),
        Some(Fault::Refuse { code }) => return Ok(refused(&Failure::injected(code))),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let answer = server.answer(&request, &host);
    Ok(match (fault, answer) {
        (Some(Fault::LoseAnswer { code }), _) => refused(&Failure::injected(code)),
        (Some(Fault::DropWatch { after }), Answer::Events(mut watch)) => {
            watch.events_left = Some(after);
            events(*watch)
        }
        (_, answer) => respond(answer),
    })
}

fn respond(answer: Answer) -> Response<AnswerBody> {
    match answer {
        Answer::Document { code, body, warnings } => {
            // Clients tell the aggregated form of discovery by its media type.
            let media_type = match body["kind"].as_str() {
                Some("APIGroupDiscoveryList") => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                _ => "application/json",
            };
            let mut response = document(code, Bytes::from(format!("{body}\n")), media_type);
            for warning in warnings {
                let text = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
                if let Ok(value) = HeaderValue::from_str(&text) {
                    response.headers_mut().append(header::WARNING, value);
                }
            }
            response
        }
        Answer::Text { code, body } => document(code, Bytes::from_static(body.as_bytes()), "text/plain"),
        Answer::Events(watch) => events(*watch),
    }
}

pub(crate) fn refused(failure: &Failure) -> Response<AnswerBody> {
    let mut response = document(failure.code, Bytes::from(format!("{}\n", failure.status())), "application/json");
    if let Some(seconds) = failure.details.as_ref().and_then(|details| details["retryAfterSeconds"].as_u64()) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn document(code: u16, body: Bytes, content_type: &'static str) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    if let Ok(code) = http::StatusCode::from_u16(code) {
        *response.status_mut() = code;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn events(watch: Watch) -> Response<AnswerBody> {
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok(Frame::data(line)), watch))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
