//! What a request becomes in memory is bounded before it is decoded: an entry of a list takes two bytes on the wire and
//! some hundred in memory, so that the size of a message alone bounds little.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Name};
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::{Label, Type};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Messages and entries of lists in one request: room for a thousand transactions of a hundred postings.
pub const ELEMENTS_MAX: usize = 131_072;
/// A smaller request is not counted: it cannot become much.
const COUNTED_FROM: usize = 16 << 10;
/// Messages in each other. Ours have three at most.
const DEPTH_MAX: usize = 32;

/// Encodes and decodes as `ProstCodec` does; requests only up to the bound.
#[derive(Clone, Debug)]
pub struct BoundedCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        self.0.encoder()
    }

    fn decoder(&mut self) -> BoundedDecoder<U> {
        BoundedDecoder(self.0.decoder())
    }
}

/// The decoder of [`BoundedCodec`].
#[derive(Clone, Debug)]
pub struct BoundedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Name + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if buffer.remaining() < COUNTED_FROM || !U::NAME.ends_with("Request") {
            return self.0.decode(buffer);
        }
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        check(&U::full_name(), bytes.clone()).map_err(|why| match why {
            Refused::Malformed(error) => Status::internal(error.to_string()),
            Refused::Short => Status::internal("failed to decode the request: it ends too early"),
            Refused::TooMany => {
                Status::out_of_range(format!("the request has more than {ELEMENTS_MAX} elements, which is the limit"))
            }
        })?;
        U::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Why a request is not decoded.
#[derive(Debug)]
pub enum Refused {
    Malformed(DecodeError),
    /// It ends before an element that it begins.
    Short,
    TooMany,
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Counts the elements of a message of this full name.
///
/// # Errors
/// When they are too many, or it is no such message.
pub fn check(name: &str, bytes: Bytes) -> Result<(), Refused> {
    count(SHAPES.get(name), bytes, &mut 0, 0)
}

/// The fields of a message that take memory each time they occur: lists, and messages with what is in them.
type Shape = HashMap<u32, Option<String>>;

static SHAPES: LazyLock<HashMap<String, Shape>> = LazyLock::new(|| {
    let descriptors = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap_or_default();
    let mut shapes = HashMap::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            add(&mut shapes, file.package(), message);
        }
    }
    shapes
});

fn add(shapes: &mut HashMap<String, Shape>, within: &str, message: &prost_types::DescriptorProto) {
    let name = format!("{within}.{}", message.name());
    let counted =
        message.field.iter().filter(|field| field.r#type() == Type::Message || field.label() == Label::Repeated);
    let shape = counted.map(|field| {
        let inner = (field.r#type() == Type::Message).then(|| field.type_name().trim_start_matches('.').to_owned());
        (u32::try_from(field.number()).unwrap_or_default(), inner)
    });
    shapes.insert(name.clone(), shape.collect());
    for nested in &message.nested_type {
        add(shapes, &name, nested);
    }
}

fn count(shape: Option<&Shape>, mut bytes: Bytes, seen: &mut usize, depth: usize) -> Result<(), Refused> {
    if depth > DEPTH_MAX {
        return Err(Refused::TooMany);
    }
    while bytes.has_remaining() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        let counted = shape.and_then(|shape| shape.get(&tag));
        let (Some(inner), WireType::LengthDelimited) = (counted, wire_type) else {
            *seen += usize::from(counted.is_some());
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?;
            continue;
        };
        *seen += 1;
        if *seen > ELEMENTS_MAX {
            return Err(Refused::TooMany);
        }
        let length = usize::try_from(decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        if length > bytes.remaining() {
            return Err(Refused::Short);
        }
        let element = bytes.split_to(length);
        if let Some(inner) = inner {
            count(SHAPES.get(inner), element, seen, depth + 1)?;
        }
    }
    Ok(())
}
