//! JSON-RPC 2.0's envelope: requests, responses and notifications (<https://www.jsonrpc.org/specification>).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorCode, RpcError};

/// What a message is.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A request; its answer has the same id.
    Request {
        /// The caller's number for it.
        id: u64,
        /// The method's name.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// The answer to a request.
    Response {
        /// The request's number; none where it could not be read.
        id: Option<u64>,
        /// What was answered.
        result: Result<Value, RpcError>,
    },
    /// A message without an answer.
    Notification {
        /// Its name.
        method: String,
        /// Its parameters.
        params: Value,
    },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    jsonrpc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    params: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    result: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

/// A result of `null` is a result.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Message {
    /// The message as JSON text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut wire = Wire {
            jsonrpc: "2.0".into(),
            id: None,
            method: None,
            params: None,
            result: None,
            error: None,
        };
        match self.clone() {
            Self::Request { id, method, params } => {
                wire.id = Some(id.into());
                wire.method = Some(method);
                wire.params = Some(params);
            }
            Self::Notification { method, params } => {
                wire.method = Some(method);
                wire.params = Some(params);
            }
            Self::Response { id, result } => {
                wire.id = Some(id.map_or(Value::Null, Value::from));
                match result {
                    Ok(value) => wire.result = Some(value),
                    Err(error) => wire.error = Some(error),
                }
            }
        }
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// With [`ErrorCode::Parse`] where it is not JSON, with [`ErrorCode::InvalidRequest`] where it is no message.
    pub fn from_json(text: &[u8]) -> Result<Self, RpcError> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| RpcError::new(ErrorCode::Parse, format!("the message is not JSON: {error}")))?;
        let wire: Wire = serde_json::from_value(value)
            .map_err(|error| RpcError::new(ErrorCode::InvalidRequest, format!("no JSON-RPC message: {error}")))?;
        if wire.jsonrpc != "2.0" {
            return Err(RpcError::new(
                ErrorCode::InvalidRequest,
                format!("`jsonrpc` is {:?}, and only \"2.0\" is spoken here", wire.jsonrpc),
            ));
        }
        let id = wire.id.as_ref().and_then(Value::as_u64);
        match (wire.method, wire.result, wire.error) {
            (Some(method), None, None) => {
                let params = wire.params.unwrap_or(Value::Object(serde_json::Map::new()));
                match (&wire.id, id) {
                    (None, _) => Ok(Self::Notification { method, params }),
                    (Some(_), Some(id)) => Ok(Self::Request { id, method, params }),
                    (Some(other), None) => Err(RpcError::new(
                        ErrorCode::InvalidRequest,
                        format!("`id` is {other}, and only whole numbers from 0 are taken"),
                    )),
                }
            }
            (None, Some(result), None) => Ok(Self::Response { id, result: Ok(result) }),
            (None, None, Some(error)) => Ok(Self::Response { id, result: Err(error) }),
            _ => Err(RpcError::new(
                ErrorCode::InvalidRequest,
                "a message has `method`, or `result`, or `error`, and no two of them",
            )),
        }
    }
}
