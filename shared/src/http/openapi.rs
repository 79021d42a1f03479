//! The description of a function's routes (OpenAPI 3.1), made from the types that they take and
//! answer.

use hyper::Method;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value, json};

use super::{answer::Answers, page::Format, problem};

/// What a route answers when all is well.
pub struct Success {
    /// The status.
    pub status: u16,
    /// The document, or a row of the list.
    pub schema: Schema,
    /// Whether it is a list of such rows.
    pub is_list: bool,
}

/// One method of one path.
pub(super) struct Operation {
    path: &'static str,
    method: Method,
    params: Schema,
    body: Option<Schema>,
    success: Success,
}

/// How types become schemas: in place, so that each document is complete in itself.
pub(super) fn generator() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    })
}

impl Operation {
    /// An operation with parameters `P`, whose documentation is the operation's.
    pub(super) fn new<P: JsonSchema, A: Answers>(
        method: Method,
        path: &'static str,
        body: Option<Schema>,
    ) -> Self {
        let mut taken = generator().into_generator();
        let mut answered = generator().for_serialize().into_generator();
        let params = P::json_schema(&mut taken);
        Self { path, method, params, body, success: A::describe(&mut answered) }
    }

    fn parameters(&self) -> Vec<Value> {
        let object = |name| self.params.get(name).and_then(Value::as_object);
        let required = self.params.get("required").and_then(Value::as_array);
        let is_required = |name: &str| {
            required.is_some_and(|required| required.iter().any(|required| required == name))
        };
        let mut parameters: Vec<Value> = object("properties")
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let in_path = self.path.contains(&format!("{{{name}}}"));
                parameter(name, in_path, in_path || is_required(name), schema.clone())
            })
            .collect();
        if self.success.is_list {
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
        let description = self.params.get("description").and_then(Value::as_str).unwrap_or("");
        let summary = description.lines().next().unwrap_or("").trim_end_matches('.');
        let mut operation = json!({
            "summary": summary,
            "description": description,
            "operationId": self.id(),
            "parameters": self.parameters(),
            "responses": {
                self.success.status.to_string(): self.success_response(),
                "default": {
                    "description": "What is wrong, and where",
                    "content": { problem::MEDIA_TYPE: { "schema": problem::schema() } },
                },
            },
        });
        if self.success.status == 200 {
            operation["responses"]["304"] = json!({ "description": "As it was (`If-None-Match`)" });
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": with_storable_text(body.clone()) } },
            });
        }
        operation
    }

    fn success_response(&self) -> Value {
        let schema = &self.success.schema;
        if !self.success.is_list {
            return json!({
                "description": "Done",
                "content": { "application/json": { "schema": schema } },
            });
        }
        json!({
            "description": "A page; `Link` (`rel=\"next\"`) leads on where there may be more",
            "headers": { "Link": { "schema": { "type": "string" } } },
            "content": {
                Format::Json.media_type(): { "schema": { "type": "array", "items": schema } },
                Format::Ndjson.media_type(): { "schema": { "type": "string" } },
                Format::Csv.media_type(): { "schema": { "type": "string" } },
            },
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
        let says_more = ["pattern", "format", "enum"].into_iter().any(|key| schema.get(key).is_some());
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
