//! Who may call which path: every request is held against [`needs`] before a handler sees it.
//!
//! A path that nobody thought of needs an admin. A table test calls every path with every role.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{AccessError, Caller, Role, Tokens};
use super::answer::{Refusal, refused};
use super::callers::{Callers, must_wait};
use super::{api, serving};

/// What a path needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nobody anything.
    Nothing,
    /// A valid token with at least this role.
    AtLeast(Role),
    /// A valid token that was made for the agent that the path names, which its handler looks at.
    Agent,
}

impl Need {
    /// Refuses a caller who must not do what needs this.
    ///
    /// # Errors
    /// When the role does not suffice, or it is not an agent's token.
    pub(super) fn check(self, caller: &Caller) -> Result<(), AccessError> {
        match self {
            Self::Nothing => Ok(()),
            Self::AtLeast(role) => caller.needs(role),
            Self::Agent if caller.agent.is_some() => Ok(()),
            Self::Agent => Err(AccessError::NotOfAgent { name: caller.name.clone() }),
        }
    }
}

/// What the path, as the router matches it, needs.
pub fn needs(method: &str, path: &str) -> Need {
    let served = serving::ROUTES.iter().find(|route| route.method == method && route.path == path);
    if let Some(route) = served {
        return match route.access {
            serving::Access::Open => Need::Nothing,
            serving::Access::Infer => Need::AtLeast(Role::Operator),
            serving::Access::Admin => Need::AtLeast(Role::Engineer),
        };
    }
    let own = api::ROUTES.iter().find(|route| route.method == method && route.path == path);
    own.map_or(Need::AtLeast(Role::Admin), |route| route.need)
}

/// Lets a request through whose token suffices, with its [`Caller`] for the handlers.
pub(super) async fn guard(
    State((tokens, callers)): State<(Tokens, Callers)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    // HEAD is GET without a body.
    let method = if request.method() == "HEAD" { "GET" } else { request.method().as_str() };
    let need = needs(method, path.as_str());
    if need == Need::Nothing {
        return next.run(request).await;
    }
    // Whoever shows nothing has not tried anything.
    let Some(token) = bearer(&request) else { return unknown() };
    let address = callers.address(&request);
    if let Some(wait) = callers.wait(address) {
        return must_wait(wait);
    }
    match tokens.check(&token).await {
        Ok(caller) => match need.check(&caller) {
            Ok(()) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(error) => refused(StatusCode::FORBIDDEN, &error),
        },
        Err(AccessError::Unknown) => {
            callers.note_failure(address);
            unknown()
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}

fn bearer(request: &Request) -> Option<String> {
    let given = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    given.strip_prefix("Bearer ").map(|token| token.trim().to_owned())
}

fn unknown() -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, &AccessError::Unknown);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}
