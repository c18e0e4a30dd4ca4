#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn text(s: &str) -> Content<'_> {
    Content::new(Lifetime(0x5C), Some(0x01_0203), Body::Text(s))
}

fn encode(content: &Content<'_>, padding: Padding) -> Vec<u8> {
    let mut out = vec![0; CONTENT_MAX];
    let len = content.encode(padding, &mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn a_text_costs_five_bytes() {
    assert_eq!(encode(&text("hi"), Padding::Off), [0x00, 0x5C, 1, 2, 3, b'h', b'i']);
    let unknown = Content { sent_s: None, ..text("") };
    assert_eq!(encode(&unknown, Padding::Off), [0x00, 0x5C, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn each_kind_has_its_bytes() {
    let id = MessageId([1, 2, 3, 4, 5, 6, 7, 8]);
    let file = Content { body: Body::File { name: "a.txt", bytes: b"xyz" }, ..text("") };
    assert_eq!(encode(&file, Padding::Off), [&[0x01, 0x5C, 1, 2, 3, 5], &b"a.txtxyz"[..]].concat());
    let cannot = Content { body: Body::CannotOpen { id }, ..text("") };
    assert_eq!(encode(&cannot, Padding::Off), [&[0x02, 0x5C, 1, 2, 3], &id.0[..]].concat());
    let renewed = Content { body: Body::Renewed, ..text("") };
    assert_eq!(encode(&renewed, Padding::Off), [0x0F, 0x5C, 1, 2, 3]);
    let again = Content { original: Some(id), ..text("hi") };
    assert_eq!(encode(&again, Padding::Off), [&[0x40, 0x5C, 1, 2, 3], &id.0[..], b"hi"].concat());
    let prekey = Some(Prekey { id: 64, key: PublicKey([2; 33]) });
    let burning = Content { burn: Some(Lifetime(0x1E)), ..text("hi") };
    assert_eq!(encode(&burning, Padding::Off), [0x10, 0x5C, 1, 2, 3, 0x1E, b'h', b'i']);
    let announcing = Content { prekey, ..text("hi") };
    assert_eq!(encode(&announcing, Padding::Off), [&[0x20, 0x5C, 1, 2, 3, 64], &[2; 33][..], b"hi"].concat());
}

#[test]
fn padding_reaches_the_policys_lengths() {
    let len = |n: usize, padding| encode(&text(&"x".repeat(n)), padding).len();
    assert_eq!([2, 3, 10].map(|n| len(n, Padding::Steps8)), [8, 16, 16]);
    assert_eq!([2, 10, 11].map(|n| len(n, Padding::Steps16)), [16, 16, 32]);
    assert_eq!(
        [0, 26, 27, 58, 59, 122, 123, 186, 187].map(|n| len(n, Padding::Buckets)),
        [32, 32, 64, 64, 128, 128, 192, 192, 256]
    );
    assert_eq!(encode(&text("hi"), Padding::Steps16), [0x80, 0x5C, 1, 2, 3, b'h', b'i', 0x80, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_longest_body_fits_with_every_option_and_nothing_longer() {
    let name = "n".repeat(FILE_NAME_MAX);
    let bytes = vec![7; crate::limits::BODY_MAX];
    let full = Content {
        original: Some(MessageId([1; 8])),
        prekey: Some(Prekey { id: 65, key: PublicKey([3; 33]) }),
        burn: Some(Lifetime(9)),
        body: Body::File { name: &name, bytes: &bytes },
        ..text("")
    };
    let coded = encode(&full, Padding::Buckets);
    assert!(coded.len() <= CONTENT_MAX);
    assert_eq!(Content::decode(&coded), Ok(full));
    let long = "x".repeat(CONTENT_MAX - 4);
    let mut out = vec![0; CONTENT_MAX + 100];
    assert_eq!(text(&long).encode(Padding::Off, &mut out), Err(ContentError::TooLong));
}

#[test]
fn what_is_not_well_formed_is_named() {
    let cases: [(&[u8], ContentError); 9] = [
        (&[], DecodeError::Truncated.into()),
        (&[0, 1, 2, 3], DecodeError::Truncated.into()),
        (&[0x03, 0, 0, 0, 0], ContentError::Kind(3)),
        (&[0x10, 0, 0, 0, 0], DecodeError::Truncated.into()),
        (&[0x00, 0, 0, 0, 0, 0xFF], ContentError::Text),
        (&[0x01, 0, 0, 0, 0, 2, b'.', b'.'], ContentError::Name),
        (&[0x02, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], DecodeError::Trailing.into()),
        (&[0x80, 0, 0, 0, 0, b'x'], ContentError::Padding),
        (&[0x80, 0, 0, 0, 0, 0], DecodeError::Truncated.into()),
    ];
    for (bytes, error) in cases {
        assert_eq!(Content::decode(bytes), Err(error), "{bytes:02x?}");
    }
    let announcing = |id: u8, first: u8| [&[0x20, 0, 0, 0, 0, id, first][..], &[7; 32]].concat();
    assert!(Content::decode(&announcing(64, 2)).is_ok());
    for (id, first) in [(63, 2), (128, 2), (64, 4)] {
        assert_eq!(Content::decode(&announcing(id, first)), Err(ContentError::Value), "{id} {first}");
    }
    let bad = Content { sent_s: Some(0xFF_FFFF), ..text("") };
    assert_eq!(bad.encode(Padding::Off, &mut [0; 64]), Err(ContentError::Value));
    let name = Content { body: Body::File { name: "../etc", bytes: b"" }, ..text("") };
    assert_eq!(name.encode(Padding::Off, &mut [0; 64]), Err(ContentError::Name));
}

proptest! {
    #[test]
    fn content_survives_and_has_one_form(
        lifetime: u8, sent in 0u32..0xFF_FFFF, known: bool,
        original in any::<Option<[u8; 8]>>(), prekey in prop::option::of((64u8..128, any::<[u8; 32]>())),
        burn in any::<Option<u8>>(), kind in 0..4, body in "\\PC{0,40}", pad in 0usize..4,
    ) {
        let prekey = prekey.map(|(id, x)| Prekey { id, key: PublicKey([&[2], &x[..]].concat().try_into().unwrap()) });
        let body = match kind {
            0 => Body::Text(&body),
            1 => Body::File { name: "photo.jpg", bytes: body.as_bytes() },
            2 => Body::CannotOpen { id: MessageId([lifetime; 8]) },
            _ => Body::Renewed,
        };
        let content = Content {
            lifetime: Lifetime(lifetime), sent_s: known.then_some(sent), original: original.map(MessageId), prekey,
            burn: burn.map(Lifetime), body,
        };
        let padding = [Padding::Off, Padding::Steps8, Padding::Steps16, Padding::Buckets][pad];
        let coded = encode(&content, padding);
        prop_assert_eq!(Content::decode(&coded), Ok(content));
        prop_assert_eq!(encode(&Content::decode(&coded).unwrap(), padding), coded);
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Content::decode(&bytes);
    }
}
