//! Requests in protobuf, as kubectl and Go clients send them for built-in kinds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::structured_merge::{Field, MapType, Scalar, Type, builtin_type};

pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtobufError {
    #[error("it does not start as Kubernetes writes it")]
    Magic,
    #[error("it ends in the middle of a field")]
    Truncated,
    #[error("the kind {kind} of {api_version} is unknown")]
    UnknownKind { api_version: String, kind: String },
    #[error("field {field} does not have the form of its type")]
    Form { field: String },
}

/// The object in a body.
pub(crate) fn read(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = fields(body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?)?;
    let types = fields(bytes(&envelope, 1).unwrap_or_default())?;
    let text = |number| String::from_utf8_lossy(bytes(&types, number).unwrap_or_default()).into_owned();
    let (api_version, kind) = (text(1), text(2));
    // Options of requests belong to no group of their own.
    let home = if kind.ends_with("Options") { "meta/v1" } else { &api_version };
    let ty = builtin_type(home, &kind);
    let Some(Type::Map(map)) = ty.as_deref() else { return Err(ProtobufError::UnknownKind { api_version, kind }) };
    let mut object = Map::new();
    structure(map, &[], bytes(&envelope, 2).unwrap_or_default(), &mut object)?;
    object.insert("apiVersion".into(), json!(api_version));
    object.insert("kind".into(), json!(kind));
    Ok(Value::Object(object))
}

/// A field as it is on the wire.
#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut rest: &[u8]) -> Result<Vec<(u32, Wire<'_>)>, ProtobufError> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut rest)?),
            1 => Wire::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = varint(&mut rest)?;
                Wire::Bytes(take(&mut rest, usize::try_from(length).map_err(|_| ProtobufError::Truncated)?)?)
            }
            5 => Wire::Bytes(take(&mut rest, 4)?),
            _ => return Err(ProtobufError::Truncated),
        };
        found.push((u32::try_from(tag >> 3).map_err(|_| ProtobufError::Truncated)?, wire));
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(ProtobufError::Truncated)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProtobufError::Truncated)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], ProtobufError> {
    let (taken, after) = rest.split_at_checked(length).ok_or(ProtobufError::Truncated)?;
    *rest = after;
    Ok(taken)
}

fn bytes<'a>(fields: &[(u32, Wire<'a>)], number: u32) -> Option<&'a [u8]> {
    fields.iter().find_map(|(found, wire)| match wire {
        Wire::Bytes(bytes) if *found == number => Some(*bytes),
        _ => None,
    })
}

fn number(fields: &[(u32, Wire<'_>)], number: u32) -> i64 {
    let found = fields.iter().find_map(|(found, wire)| match wire {
        Wire::Number(value) if *found == number => Some(*value),
        _ => None,
    });
    found.unwrap_or(0).cast_signed()
}

/// Reads a struct. Structs that Go embeds are messages of their own, but their fields are ours.
fn structure(map: &MapType, prefix: &[u32], body: &[u8], out: &mut Map<String, Value>) -> Result<(), ProtobufError> {
    for (number, wire) in fields(body)? {
        let path = [prefix, &[number]].concat();
        match map.fields.iter().find(|(_, field)| field.number == path) {
            Some((name, field)) => add(name, field, wire, out)?,
            None => match wire {
                Wire::Bytes(body) if map.fields.values().any(|field| field.number.starts_with(&path)) => {
                    structure(map, &path, body, out)?;
                }
                // Fields that are not known here are skipped, as protobuf wants it.
                _ => {}
            },
        }
    }
    Ok(())
}

/// Lists and maps come as one field for each of their items.
fn add(name: &str, field: &Field, wire: Wire<'_>, out: &mut Map<String, Value>) -> Result<(), ProtobufError> {
    let form = || ProtobufError::Form { field: name.to_owned() };
    match &*field.ty {
        Type::List(list) => {
            let item = value(&list.item, wire, name)?;
            let items = out.entry(name).or_insert_with(|| json!([]));
            items.as_array_mut().ok_or_else(form)?.push(item);
        }
        Type::Map(MapType { fields: declared, element: Some(element), .. }) if declared.is_empty() => {
            let Wire::Bytes(entry) = wire else { return Err(form()) };
            let entry = fields(entry)?;
            let key = String::from_utf8_lossy(bytes(&entry, 1).unwrap_or_default()).into_owned();
            let found = entry.iter().find(|(number, _)| *number == 2).map_or(Wire::Bytes(&[]), |(_, wire)| *wire);
            let found = value(element, found, name)?;
            out.entry(name).or_insert_with(|| json!({}))[key] = found;
        }
        ty => {
            out.insert(name.to_owned(), value(ty, wire, name)?);
        }
    }
    Ok(())
}

fn value(ty: &Type, wire: Wire<'_>, name: &str) -> Result<Value, ProtobufError> {
    let form = || ProtobufError::Form { field: name.to_owned() };
    Ok(match (ty, wire) {
        (Type::Scalar(Scalar::Number), Wire::Number(value)) => json!(value.cast_signed()),
        (Type::Scalar(Scalar::Bool), Wire::Number(value)) => json!(value != 0),
        (Type::Scalar(scalar), Wire::Bytes(body)) => self::scalar(*scalar, body, name)?,
        (Type::Map(map), Wire::Bytes(body)) => {
            let mut out = Map::new();
            structure(map, &[], body, &mut out)?;
            Value::Object(out)
        }
        // Free-form values are JSON in the only field of a message.
        (Type::Any, Wire::Bytes(body)) => {
            let raw = fields(body)?;
            serde_json::from_slice(bytes(&raw, 1).unwrap_or(b"null")).map_err(|_| form())?
        }
        _ => return Err(form()),
    })
}

fn scalar(scalar: Scalar, body: &[u8], name: &str) -> Result<Value, ProtobufError> {
    let form = || ProtobufError::Form { field: name.to_owned() };
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).map_err(|_| form());
    Ok(match scalar {
        Scalar::String | Scalar::Untyped => json!(text(body)?),
        Scalar::Bytes => json!(STANDARD.encode(body)),
        Scalar::Quantity => json!(text(bytes(&fields(body)?, 1).unwrap_or_default())?),
        Scalar::IntOrString => {
            let parts = fields(body)?;
            if number(&parts, 1) == 0 {
                json!(number(&parts, 2))
            } else {
                json!(text(bytes(&parts, 3).unwrap_or_default())?)
            }
        }
        Scalar::Time => {
            let parts = fields(body)?;
            match number(&parts, 1) {
                // No time is written as the epoch.
                ..=0 => Value::Null,
                seconds => json!(Timestamp::from_second(seconds).map_err(|_| form())?.to_string()),
            }
        }
        Scalar::Number | Scalar::Bool => return Err(form()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC, &field(1, &types), &field(2, raw)].concat()
    }

    #[test]
    fn a_config_map_is_read() {
        let metadata = field(1, &field(1, b"a"));
        let data = field(2, &[field(1, b"k"), field(2, b"v")].concat());
        let binary = field(3, &[field(1, b"b"), field(2, &[255])].concat());
        let read = read(&envelope("v1", "ConfigMap", &[metadata, data, binary].concat())).unwrap();
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                              "data": {"k": "v"}, "binaryData": {"b": "/w=="}});
        assert_eq!(read, expected);
    }

    #[test]
    fn embedded_structs_lie_flat() {
        // A volume's source is a message in field 2; emptyDir is the second of its fields.
        let volume = [field(1, b"v"), field(2, &field(2, &[]))].concat();
        let spec = field(2, &field(1, &volume));
        let read = read(&envelope("v1", "Pod", &spec)).unwrap();
        assert_eq!(read["spec"]["volumes"], json!([{"name": "v", "emptyDir": {}}]));
    }

    #[test]
    fn broken_bodies_are_errors() {
        assert_eq!(read(b"{}"), Err(ProtobufError::Magic));
        let cut = envelope("v1", "ConfigMap", b"");
        assert_eq!(read(&cut[..cut.len() - 1]), Err(ProtobufError::Truncated));
        assert!(matches!(read(&envelope("v9", "Nope", b"")), Err(ProtobufError::UnknownKind { .. })));
    }
}
