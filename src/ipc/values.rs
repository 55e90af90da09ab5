//! How enums become bytes: the order of the variants is the wire format. Used by every file of messages.

/// Enums whose variants are numbered in the order they stand in; the order is the wire format.
macro_rules! values {
    ($(
        $(#[$doc:meta])*
        enum $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident $({ $($field:ident: $kind:ty),* $(,)? })? $(($value:ty))?,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant $({ $($field: $kind),* })? $(($value))?,)*
        }

        impl $crate::ipc::bytes::Field for $name {
            #[allow(unused_assignments, unused_mut, unused_variables, irrefutable_let_patterns)]
            fn put(&self, packet: &mut Vec<u8>) {
                let mut tag = 0u8;
                $(
                    values!(@put self, packet, tag, $name $variant $({ $($field),* })? $(($value))?);
                    tag += 1;
                )*
            }

            #[allow(unused_assignments, unused_mut, unused_variables)]
            fn take(packet: &mut &[u8]) -> Result<Self, $crate::ipc::bytes::Malformed> {
                let found = <u8 as $crate::ipc::bytes::Field>::take(packet)?;
                let mut tag = 0u8;
                $(
                    if found == tag {
                        return Ok($name::$variant $({ $($field: <$kind as $crate::ipc::bytes::Field>::take(packet)?),* })? $((<$value as $crate::ipc::bytes::Field>::take(packet)?))?);
                    }
                    tag += 1;
                )*
                Err($crate::ipc::bytes::Malformed)
            }
        }
    )*};
    (@put $this:ident, $packet:ident, $tag:ident, $name:ident $variant:ident) => {
        if let $name::$variant = $this {
            $crate::ipc::bytes::Field::put(&$tag, $packet);
        }
    };
    (@put $this:ident, $packet:ident, $tag:ident, $name:ident $variant:ident { $($field:ident),* }) => {
        if let $name::$variant { $($field),* } = $this {
            $crate::ipc::bytes::Field::put(&$tag, $packet);
            $($crate::ipc::bytes::Field::put($field, $packet);)*
        }
    };
    (@put $this:ident, $packet:ident, $tag:ident, $name:ident $variant:ident ($value:ty)) => {
        if let $name::$variant(value) = $this {
            $crate::ipc::bytes::Field::put(&$tag, $packet);
            $crate::ipc::bytes::Field::put(value, $packet);
        }
    };
}

/// What crosses a link is a value and nothing behind it; in brackets: the values that carry a descriptor.
macro_rules! messages {
    ($($name:ident $(($pattern:pat))?;)*) => {$(
        impl $crate::ipc::link::Message for $name {
            fn encode(&self) -> Vec<u8> {
                let mut packet = Vec::with_capacity(128);
                $crate::ipc::bytes::Field::put(self, &mut packet);
                packet
            }

            fn decode(mut packet: &[u8]) -> Result<Self, $crate::ipc::bytes::Malformed> {
                let message = <Self as $crate::ipc::bytes::Field>::take(&mut packet)?;
                if packet.is_empty() { Ok(message) } else { Err($crate::ipc::bytes::Malformed) }
            }

            $(fn carries_descriptor(&self) -> bool {
                matches!(self, $pattern)
            })?
        }
    )*};
}

pub(super) use {messages, values};
