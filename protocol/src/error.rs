//! Errors on the wire: a code that programs act on, a message for people, and a hint of what to do next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds of error. The numbers are JSON-RPC's; they are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i32", from = "i32")]
pub enum ErrorCode {
    /// -32700: not JSON, or a frame's header is broken.
    Parse,
    /// -32600: JSON, but no request.
    InvalidRequest,
    /// -32601: no such method.
    MethodNotFound,
    /// -32602: the parameters do not fit, or what was submitted is refused. Nothing was stored.
    InvalidParams,
    /// -32603: the daemon's own fault.
    Internal,
    /// 1: the client's protocol version is not spoken here.
    Version,
    /// 2: no such ticket, job, log or image.
    NotFound,
    /// 3: not in this state, such as cancelling what has ended.
    Conflict,
    /// 4: the subscriber was too slow; subscribe again.
    Resync,
    /// 5: the host lacks something; `preflight doctor` says what.
    Host,
    /// Any other number, from a newer daemon.
    Other(i32),
}

impl From<ErrorCode> for i32 {
    fn from(code: ErrorCode) -> i32 {
        match code {
            ErrorCode::Parse => -32700,
            ErrorCode::InvalidRequest => -32600,
            ErrorCode::MethodNotFound => -32601,
            ErrorCode::InvalidParams => -32602,
            ErrorCode::Internal => -32603,
            ErrorCode::Version => 1,
            ErrorCode::NotFound => 2,
            ErrorCode::Conflict => 3,
            ErrorCode::Resync => 4,
            ErrorCode::Host => 5,
            ErrorCode::Other(number) => number,
        }
    }
}

impl From<i32> for ErrorCode {
    fn from(number: i32) -> Self {
        match number {
            -32700 => Self::Parse,
            -32600 => Self::InvalidRequest,
            -32601 => Self::MethodNotFound,
            -32602 => Self::InvalidParams,
            -32603 => Self::Internal,
            1 => Self::Version,
            2 => Self::NotFound,
            3 => Self::Conflict,
            4 => Self::Resync,
            5 => Self::Host,
            other => Self::Other(other),
        }
    }
}

impl JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer" })
    }
}

/// JSON-RPC's error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// Its kind.
    pub code: ErrorCode,
    /// What is wrong and where.
    pub message: String,
    /// More for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// What accompanies an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ErrorData {
    /// What to do next.
    pub hint: Option<String>,
}

impl RpcError {
    /// An error without a hint.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The same error, with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.data = Some(ErrorData {
            hint: Some(hint.into()),
        });
        self
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.data.as_ref()?.hint.as_deref()
    }
}
