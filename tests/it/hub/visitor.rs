//! Somebody who visits the hub's pages without a script: cookies and forms over plain HTTP.

use axum::http::Method;
use serde_json::Value;

use super::running::Running;
use crate::support::http::{Answer, Opened};

/// A visitor with a jar of cookies.
pub struct Visitor<'a> {
    hub: &'a Running,
    cookies: Vec<(String, String)>,
    /// What the forms of the last page carry.
    pub csrf: String,
}

impl<'a> Visitor<'a> {
    /// Somebody who has not been here before.
    pub fn new(hub: &'a Running) -> Self {
        Self { hub, cookies: Vec::new(), csrf: String::new() }
    }

    /// Somebody who has signed in.
    pub async fn signed_in(hub: &'a Running, token: &str) -> Self {
        let mut visitor = Self::new(hub);
        assert_eq!(visitor.sign_in(token).await.status, 303);
        visitor
    }

    /// Opens the form and sends it with this token.
    pub async fn sign_in(&mut self, token: &str) -> Answer {
        self.get("/ui/sign-in").await;
        let csrf = self.csrf.clone();
        let answer = self.post("/ui/sign-in", &[("csrf", &csrf), ("token", token), ("next", "/ui/alerts")]).await;
        if answer.status == 303 {
            self.get("/ui/models").await;
        }
        answer
    }

    /// Opens a page, and keeps what its forms carry.
    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.send(Method::GET, path, &[], &[]).await;
        if let Some(csrf) = text(&answer).split("name=\"csrf\" value=\"").nth(1) {
            self.csrf = csrf.split('"').next().unwrap().to_owned();
        }
        answer
    }

    /// Opens a page that is there.
    pub async fn page(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", text(&answer));
        text(&answer)
    }

    /// Sends a form as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/x-www-form-urlencoded")], fields).await
    }

    /// Sends a form of the last page.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.post(path, &[&[("csrf", csrf.as_str())], fields].concat()).await
    }

    /// Sends a request with further headers.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let Opened { status, headers, body } = self.open(method, path, headers, fields).await;
        Answer { status, headers, body: axum::body::to_bytes(body, usize::MAX).await.unwrap() }
    }

    /// Sends a request and does not wait for the body of the answer.
    pub async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Opened {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [headers, &[("cookie", cookies.as_str())]].concat();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        let answer = self.hub.http.open(method, &format!("{}{path}", self.hub.url), &headers, body).await;
        for line in answer.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }
}

/// What an answer says.
pub fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What the API says to the admin.
pub async fn api(hub: &Running, path: &str) -> Value {
    hub.send("GET", path, Some(&hub.admin), &Value::Null).await.fine()
}
