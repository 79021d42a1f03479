//! Messages encoded once, but for the places where something differs from message to message.

use shared::testing::Rng;

use crate::{
    node::{Dialect, Node},
    slot::{Scene, Slot},
};

/// A field's value, as it stands in the JSON text.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Json(&'static str),
    /// A string, its text as it stands between the quotes.
    Text(&'static str),
    Plain(Slot),
    /// A string that holds the slot's text.
    Quoted(Slot),
    Object(&'static [Field]),
}

pub(crate) type Field = (&'static str, Value);

#[derive(Default)]
pub(crate) struct Template {
    text: Vec<u8>,
    /// Where in `text` each slot goes, in ascending order.
    slots: Vec<(usize, Slot)>,
}

impl Template {
    /// The message `msg` in the form that nodes of `dialect` give it.
    pub(crate) fn new(dialect: Dialect, msg: &'static str, fields: &[Field]) -> Self {
        const TIME: Field = ("ts", Value::Quoted(Slot::Timestamp));
        const ID: Field = ("id", Value::Plain(Slot::EnvelopeId));
        let msg = ("msg", Value::Text(msg));
        let level = ("level", Value::Text("INFO"));
        let mut payload = fields.to_vec();

        let mut template = Self::default();
        match dialect {
            Dialect::Flat => {
                payload.insert(0, msg);
                payload.extend([level, TIME]);
                template.object(&payload);
                template.literal("\n");
            }
            Dialect::Sorted => {
                payload.push(msg);
                payload.sort_unstable_by_key(|(key, _)| *key);
                template.literal("{").members(&[ID]);
                template.literal(",\"payload\":").object(&payload);
                template.literal(",").members(&[TIME]).literal("}");
            }
            Dialect::Inserted => {
                payload.push(msg);
                template.literal("{").members(&[ID, TIME]);
                template.literal(",\"payload\":").object(&payload);
                template.literal("}");
            }
        }
        template
    }

    /// Appends the message as `node` sends it.
    pub(crate) fn compose(&self, node: &Node, scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
        let mut from = 0;
        for &(to, slot) in &self.slots {
            out.extend_from_slice(&self.text[from..to]);
            slot.write(node, scene, rng, out);
            from = to;
        }
        out.extend_from_slice(&self.text[from..]);
    }

    /// About how long the message comes out.
    pub(crate) fn typical_len(&self) -> usize {
        let slots = self.slots.iter().map(|(_, slot)| slot.typical_len());
        self.text.len() + slots.sum::<usize>()
    }

    fn object(&mut self, fields: &[Field]) -> &mut Self {
        self.literal("{").members(fields).literal("}")
    }

    fn members(&mut self, fields: &[Field]) -> &mut Self {
        for (index, (key, value)) in fields.iter().enumerate() {
            let separator = if index == 0 { "\"" } else { ",\"" };
            self.literal(separator).literal(key).literal("\":");
            match *value {
                Value::Json(text) => self.literal(text),
                Value::Text(text) => self.literal("\"").literal(text).literal("\""),
                Value::Plain(slot) => self.slot(slot),
                Value::Quoted(slot) => self.literal("\"").slot(slot).literal("\""),
                Value::Object(fields) => self.object(fields),
            };
        }
        self
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        self.text.extend_from_slice(text.as_bytes());
        self
    }

    fn slot(&mut self, slot: Slot) -> &mut Self {
        self.slots.push((self.text.len(), slot));
        self
    }
}
