//! [`ROUTES`] described for programs, in OpenAPI 3.1: what the hub adds to the document of the model server.

use serde_json::{Map, Value, json};

use super::{Operation, ROUTES, Route};
use crate::hub::guard::Need;

/// The paths, for the document's `paths`.
pub(in crate::hub) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = described(route);
    }
    paths
}

fn described(route: &Route) -> Value {
    let of_path = route.path.split('/').filter_map(|piece| piece.strip_prefix('{')?.strip_suffix('}'));
    let text = json!({ "type": "string" });
    let in_path = of_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = queries(route.operation).iter();
    let in_query = in_query.map(|name| json!({ "name": name, "in": "query", "required": false, "schema": text }));
    let in_header = headers(route.operation).iter();
    let in_header = in_header.map(|name| json!({ "name": name, "in": "header", "required": false, "schema": text }));
    let error = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
    let refusal = |why: &str| json!({ "description": why, "content": error });
    let mut described = json!({
        "operationId": format!("Hub{:?}", route.operation),
        "summary": summary(route.operation),
        "parameters": in_path.chain(in_query).chain(in_header).collect::<Vec<_>>(),
        "responses": {
            "200": { "description": "Done" },
            "400": refusal("The request is wrong"),
            "401": refusal("The token is not valid"),
            "403": refusal("The role does not suffice"),
            "404": refusal("There is no such thing"),
            "409": refusal("It cannot be done as things are"),
            "413": refusal("The body is too large"),
            "422": refusal("What was sent does not pass the checks"),
            "429": refusal("Too many tokens from this address were not valid"),
            "503": refusal("The database does not answer"),
        },
        "security": [{ "bearer": [scope(route.need)] }],
    });
    if route.operation == Operation::ClipPiece {
        described["responses"]["204"] = json!({ "description": "The piece is on the hub's disk" });
    }
    for kind in answers(route.operation) {
        described["responses"]["200"]["content"][kind] = json!({ "schema": { "type": "string" } });
    }
    if let Some(content) = body(route.operation) {
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

/// What a token must be good for.
fn scope(need: Need) -> &'static str {
    match need {
        Need::Nothing => "none",
        Need::AtLeast(role) => role.as_str(),
        Need::Agent => "agent",
    }
}

fn queries(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Audit => &["who", "action", "object", "cursor", "limit"],
        Operation::BrokerConfig => &["folder"],
        Operation::ClipPiece => &["bytes", "camera", "episode", "begins", "ends", "mime"],
        Operation::ListEvents => {
            &["agent", "camera", "rule", "label", "severity", "kind", "episode", "since", "until", "cursor", "limit"]
        }
        Operation::FollowEvents => {
            &["agent", "camera", "rule", "label", "severity", "kind", "episode", "since", "until", "cursor"]
        }
        Operation::ExportEvents => {
            &["agent", "camera", "rule", "label", "severity", "kind", "episode", "since", "until", "format"]
        }
        _ => &[],
    }
}

fn headers(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::FollowEvents => &["Last-Event-ID"],
        Operation::ClipPiece => &["Upload-Offset"],
        Operation::Clip => &["Range"],
        _ => &[],
    }
}

/// What kinds of content are answered, where that is not JSON or a file.
fn answers(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::FollowEvents => &["text/event-stream"],
        Operation::Clip => &["video/mp4"],
        Operation::ExportEvents => &["application/jsonl", "text/csv", "application/vnd.apache.parquet"],
        _ => &[],
    }
}

fn body(operation: Operation) -> Option<Value> {
    match operation {
        Operation::Upload | Operation::ClipPiece => {
            Some(json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } }))
        }
        Operation::CreateToken
        | Operation::Push
        | Operation::SetAlias
        | Operation::PublishGallery
        | Operation::LabelAgent
        | Operation::AdmitAgent
        | Operation::IssueCredentials
        | Operation::GiveVerdict
        | Operation::AcceptSuppression
        | Operation::OrderRollout => Some(json!({ "application/json": { "schema": { "type": "object" } } })),
        _ => None,
    }
}

fn summary(operation: Operation) -> &'static str {
    match operation {
        Operation::WhoAmI => "Whose token this is, and its role",
        Operation::ListTokens => "All tokens, without their secrets",
        Operation::CreateToken => "Makes a token, which is shown this once",
        Operation::RevokeToken => "Revokes a token",
        Operation::Audit => "The newest changes, and who made them",
        Operation::Upload => "Receives a file or a piece of it",
        Operation::UploadState => "How much of a file has been received",
        Operation::Download => "Sends a file, also from the middle",
        Operation::ListModels => "All registered models",
        Operation::Push => "Registers a package as the next version of its model",
        Operation::ShowModel => "A model with its versions and aliases",
        Operation::ShowVersion => "A version of a model",
        Operation::DeleteVersion => "Deletes a version that no alias points at",
        Operation::SetAlias => "Points an alias at a version",
        Operation::RemoveAlias => "Removes an alias",
        Operation::ListGalleries => "All galleries, and which agents have which revision",
        Operation::ShowGallery => "A gallery: its revision, digest and size",
        Operation::PublishGallery => "Puts a file that was received in the place of an older revision of the gallery",
        Operation::WithdrawGallery => "Deletes a gallery and its file; agents keep what they have",
        Operation::ListAgents => "All agents, and how they are",
        Operation::ShowAgent => "An agent with its health and cameras",
        Operation::LabelAgent => "Replaces the labels of an agent",
        Operation::AdmitAgent => "Admits an agent, or takes that back",
        Operation::ListAccounts => "All accounts at the broker, without their passwords",
        Operation::ShowCredentials => "The account of an agent at the broker, without its password",
        Operation::IssueCredentials => "Makes a password for an agent at the broker, which is shown this once",
        Operation::ActivateCredentials => "Puts the password that waits in force",
        Operation::RevokeCredentials => "Ends the account of an agent at the broker",
        Operation::BrokerConfig => "The files for a mosquitto elsewhere: passwd, acl, and lines of its configuration",
        Operation::ListSpools => "What is stored of each spool of an agent, and which numbers are missing",
        Operation::ListEvents => "Events, the newest first, a page at a time",
        Operation::FollowEvents => "Events as they are stored, in the order of arrival, as Server-Sent Events",
        Operation::ExportEvents => "All events that are found, as a file: format is jsonl, csv or parquet",
        Operation::Snapshot => "The picture of an episode",
        Operation::ClipState => "How much of a clip is here, in Upload-Offset",
        Operation::ClipPiece => "Takes the next piece of a clip from the agent that recorded it",
        Operation::Clip => "Sends a clip, also from the middle",
        Operation::ShowClip => "How it is with the clip of an episode",
        Operation::AskForClip => "Asks the agent for the clip of an episode",
        Operation::ShowVerdict => "What somebody thinks of an episode",
        Operation::GiveVerdict => "Says what one thinks of an episode",
        Operation::ListSuppressions => "False alerts that look alike, and what was decided of them",
        Operation::AcceptSuppression => "Raises nothing more there for a while: rolls that out to the agent",
        Operation::DismissSuppression => "Goes on raising them",
        Operation::Intake => "How events come in",
        Operation::HubKey => "The public key of what this hub wishes of agents",
        Operation::ListRollouts => "The newest rollouts, and how far they are",
        Operation::OrderRollout => {
            "Orders a rollout: a package for a model of some agents, or an overlay over their configuration, group by group"
        }
        Operation::ShowRollout => "A rollout with its groups and agents",
        Operation::PauseRollout => "Holds a rollout: no further group is told",
        Operation::ResumeRollout => "Lets a paused rollout go on",
        Operation::ApproveRollout => "Lets a rollout go beyond its first group",
        Operation::AbortRollout => "Tells everybody who was told of a rollout to go back",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_under_a_name_of_its_own() {
        let paths = paths();
        let mut ids = BTreeSet::new();
        for route in ROUTES {
            let described = &paths[route.path][route.method.to_lowercase()];
            assert!(described["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{route:?}");
            ids.insert(described["operationId"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids.len(), ROUTES.len());
        assert!(ROUTES.len() > 20);
    }
}
