//! Steps as bytes: an input that is more than one message is a row of numbers and chunks, and whatever its bytes are, it
//! means something.

/// What is left of an input.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte, or nothing at the end.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// A number of two bytes, or nothing at the end.
    pub(crate) fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// Bytes after their length; fewer where the input ends.
    pub(crate) fn chunk(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.short()?).min(self.0.len());
        let (chunk, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(chunk)
    }

    /// A time in microseconds: up to 199 the square of so many milliseconds, above it any number, also a negative one.
    pub(crate) fn micros(&mut self) -> Option<i64> {
        let first = i64::from(self.byte()?);
        match first - 200 {
            shift @ 0.. => {
                let number = i64::from(self.short()?.cast_signed());
                Some(number << shift.min(47))
            }
            _ => Some(first * first * 1_000),
        }
    }
}

/// Writes a number of two bytes.
pub(crate) fn put_short(to: &mut Vec<u8>, short: u16) {
    to.extend(short.to_be_bytes());
}

/// Writes bytes after their length; at most 65,535.
pub(crate) fn put_chunk(to: &mut Vec<u8>, chunk: &[u8]) {
    let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
    put_short(to, length);
    to.extend(&chunk[..length.into()]);
}

/// Writes about so many microseconds, at most the forty seconds that one byte can say.
pub(crate) fn put_micros(to: &mut Vec<u8>, micros: i64) {
    let roots = (0..200_u8).take_while(|&root| i64::from(root) * i64::from(root) * 1_000 <= micros);
    to.push(roots.last().unwrap_or(0));
}
