//! The description of a function's routes (OpenAPI 3.1), made from the types that they take and
//! answer.

use hyper::Method;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value, json};

use super::{page::Format, problem};

/// One method of one path.
pub(super) struct Operation {
    path: &'static str,
    method: Method,
    description: String,
    params: Option<Schema>,
    body: Option<Schema>,
    /// The document that is answered, or a row of the list.
    answer: Schema,
    is_list: bool,
}

/// How types become schemas: in place, so that each document is complete in itself.
fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    })
}

/// The schema of what is read into a `T`.
fn taken<T: JsonSchema>() -> Schema {
    T::json_schema(&mut settings().into_generator())
}

/// The schema of what a `T` is written as.
fn given<T: JsonSchema>() -> Schema {
    T::json_schema(&mut settings().for_serialize().into_generator())
}

fn description(schema: &Schema) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Operation {
    /// `GET path` with the parameters `P`, whose documentation is the operation's.
    pub(super) fn get<P: JsonSchema, T: JsonSchema>(path: &'static str, is_list: bool) -> Self {
        let params = taken::<P>();
        Self {
            path,
            method: Method::GET,
            description: description(&params),
            params: Some(params),
            body: None,
            answer: given::<T>(),
            is_list,
        }
    }

    /// `POST path` with the body `B`, whose documentation is the operation's.
    pub(super) fn post<B: JsonSchema, T: JsonSchema>(path: &'static str) -> Self {
        let body = taken::<B>();
        Self {
            path,
            method: Method::POST,
            description: description(&body),
            params: None,
            body: Some(body),
            answer: given::<T>(),
            is_list: false,
        }
    }

    /// The names of the answer's members, in their order.
    pub(super) fn columns(&self) -> Vec<String> {
        let members = self.answer.get("properties").and_then(Value::as_object);
        members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }

    fn parameters(&self) -> Vec<Value> {
        let part = |name| self.params.as_ref().and_then(|params| params.get(name));
        let required = part("required").and_then(Value::as_array);
        let is_required = |name: &str| {
            required.is_some_and(|required| required.iter().any(|required| required == name))
        };
        let mut parameters: Vec<Value> = part("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let in_path = self.path.contains(&format!("{{{name}}}"));
                parameter(name, in_path, in_path || is_required(name), schema.clone())
            })
            .collect();
        if self.is_list {
            let names = Format::ALL.map(Format::name);
            let schema = json!({
                "type": "string", "enum": names,
                "description": "The format, whatever `Accept` says.",
            });
            parameters.push(parameter("format", false, false, schema));
        }
        parameters
    }

    fn describe(&self) -> Value {
        let summary = self.description.lines().next().unwrap_or_default().trim_end_matches('.');
        let mut operation = json!({
            "summary": summary,
            "description": self.description,
            "operationId": self.id(),
            "parameters": self.parameters(),
            "responses": {
                "default": {
                    "description": "What is wrong, and where",
                    "content": { problem::MEDIA_TYPE: { "schema": problem::schema() } },
                },
            },
        });
        let responses = &mut operation["responses"];
        if self.method == Method::POST {
            responses["201"] = json!({ "description": "Added", "content": self.content() });
        } else {
            responses["304"] = json!({ "description": "As it was (`If-None-Match`)" });
            responses["200"] = json!({ "description": "What there is", "content": self.content() });
        }
        if self.is_list {
            responses["200"]["headers"]["Link"] = json!({
                "description": "Leads on (`rel=\"next\"`) where there may be more",
                "schema": { "type": "string" },
            });
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": with_storable_text(body.clone()) } },
            });
        }
        operation
    }

    fn content(&self) -> Value {
        let answer = &self.answer;
        if !self.is_list {
            return json!({ "application/json": { "schema": answer } });
        }
        json!({
            Format::Json.media_type(): { "schema": { "type": "array", "items": answer } },
            Format::Ndjson.media_type(): { "schema": { "type": "string" } },
            Format::Csv.media_type(): { "schema": { "type": "string" } },
        })
    }

    /// Such as `get_nodes_logs`.
    fn id(&self) -> String {
        let words = self.path.split(['/', '{', '}']).filter(|word| !word.is_empty());
        let method = self.method.as_str().to_lowercase();
        std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
    }
}

fn parameter(name: &str, in_path: bool, required: bool, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let schema = Schema::try_from(schema).unwrap_or_default();
    json!({
        "name": name,
        "in": if in_path { "path" } else { "query" },
        "required": required,
        "description": description.unwrap_or_default(),
        "schema": with_storable_text(without_null(schema)),
    })
}

/// A parameter that is not there is null to Rust only.
fn without_null(mut schema: Schema) -> Schema {
    if let Some(types) = schema.get_mut("type") {
        let kinds = types.as_array().into_iter().flatten().filter(|kind| *kind != "null");
        if let [kind] = kinds.collect::<Vec<_>>()[..] {
            *types = kind.clone();
        }
    }
    let alternatives = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice);
    if let Some([only, null]) = alternatives
        && *null == json!({ "type": "null" })
    {
        let only = only.clone();
        schema.remove("anyOf");
        if let (Some(schema), Value::Object(only)) = (schema.as_object_mut(), only) {
            schema.extend(only);
        }
    }
    schema
}

/// Text without U+0000, which PostgreSQL cannot hold.
fn with_storable_text(mut schema: Schema) -> Schema {
    RecursiveTransform(|schema: &mut Schema| {
        let says_more =
            ["pattern", "format", "enum"].into_iter().any(|key| schema.get(key).is_some());
        let is_text = match schema.get("type") {
            Some(Value::String(kind)) => kind == "string",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
            _ => false,
        };
        if is_text && !says_more {
            schema.insert("pattern".to_owned(), json!("^[^\\u0000]*$"));
        }
    })
    .transform(&mut schema);
    schema
}

/// The description of all `operations` of the function `name`.
pub(super) fn document(name: &str, operations: &[Operation], with_token: bool) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method.as_str().to_lowercase()] = operation.describe();
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Tetcore Analytics: {name}"),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
    });
    if with_token {
        document["components"] =
            json!({ "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } });
        document["security"] = json!([{ "token": [] }]);
    }
    document
}
