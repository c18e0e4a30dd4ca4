//! Files that come as scanned parts (spec §30.13): pasted or typed by a scanner on standard input, from text files, from
//! images.

use crate::error::{Exit, Failure};
use crate::files;
use crate::limits;
use crate::output::Output;
use picket_provision::parts::{self, Collector, PartError};
use std::io::{BufRead, Cursor, IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The file whose parts are in `sources`: text files and PNG images, or standard input when there are none.
///
/// # Errors
/// Usage when parts are missing, damaged or of several files; each says what to scan next.
pub fn collect(sources: &[PathBuf], out: &Output) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut collector = Collector::new();
    if sources.is_empty() {
        from_stdin(&mut collector, out)?;
    }
    for path in sources {
        let bytes = files::read(path, limits::IMAGE_MAX.max(limits::SCANNED_MAX))?;
        let place = path.display().to_string();
        if bytes.starts_with(PNG) {
            let found = decode_image(path, &bytes)?;
            found.iter().try_for_each(|text| add(&mut collector, text, &place))?;
        } else {
            let text = std::str::from_utf8(&bytes).map_err(|_| not_parts(&place))?;
            text.lines().filter(|l| !l.trim().is_empty()).try_for_each(|line| add(&mut collector, line, &place))?;
        }
    }
    finish(&collector)
}

/// What came, and what people call it.
pub type Named = (String, Zeroizing<Vec<u8>>);

/// Requests as they come to the authority: files, or one as scanned parts; each with what people call it.
///
/// # Errors
/// As [`collect`]; when a file cannot be read.
pub fn requests(paths: &[PathBuf], scanned: bool, out: &Output) -> Result<Vec<Named>, Failure> {
    if scanned {
        return Ok(vec![("the scanned request".into(), collect(paths, out)?)]);
    }
    let read = |path: &PathBuf| Ok((path.display().to_string(), files::read(path, limits::SMALL_FILE_MAX)?));
    paths.iter().map(read).collect()
}

fn from_stdin(collector: &mut Collector, out: &Output) -> Result<(), Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        out.warn("scan or paste the parts, in any order, one a line; it ends by itself when all are there");
    }
    let refused = |e: std::io::Error| Failure::internal(format!("standard input: {e}"));
    for line in input.lock().take(limits::SCANNED_MAX).lines() {
        let line = Zeroizing::new(line.map_err(refused)?);
        if line.trim().is_empty() {
            continue;
        }
        match add(collector, &line, "standard input") {
            // Whoever sits there can scan that one again.
            Err(failure) if input.is_terminal() && failure.exit == Exit::Damaged => out.warn(&failure.message),
            Err(failure) => return Err(failure),
            Ok(()) => out.warn(&progress(collector)),
        }
        if collector.is_complete() {
            break;
        }
    }
    Ok(())
}

fn add(collector: &mut Collector, text: &str, place: &str) -> Result<(), Failure> {
    match collector.add(text) {
        Ok(_) => Ok(()),
        Err(PartError::NotAPart) => Err(not_parts(place)),
        Err(e @ PartError::Damaged { .. }) => {
            Err(Failure::damaged(format!("{place}: {e}"), "scan that part again; nothing was changed"))
        }
        Err(e) => Err(Failure::usage(format!("{place}: {e}"), "nothing was changed; give the parts of one file only")),
    }
}

fn finish(collector: &Collector) -> Result<Zeroizing<Vec<u8>>, Failure> {
    collector.finish().map_err(|e| match e {
        PartError::Incomplete { .. } if collector.count() == 0 => {
            Failure::usage("no parts were given", "scan the codes of `picket qr FILE` or `picket device new --qr`")
        }
        PartError::Incomplete { .. } => Failure::usage(
            format!("of {} parts these are missing: {}", collector.count(), ranges(collector)),
            "scan them and give all parts again; nothing was changed",
        ),
        PartError::Length
        | PartError::NotAPart
        | PartError::Damaged { .. }
        | PartError::OtherSet
        | PartError::Contradiction { .. }
        | PartError::Checksum => Failure::damaged(e.to_string(), "scan all parts again; nothing was changed"),
    })
}

fn progress(collector: &Collector) -> String {
    let there = usize::from(collector.count()) - collector.missing().count();
    if collector.is_complete() {
        return format!("all {there} parts are there");
    }
    format!("{there} of {} parts; missing: {}", collector.count(), ranges(collector))
}

/// "1, 3 to 7, 9".
fn ranges(collector: &Collector) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for n in collector.missing() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => runs.push((n, n)),
        }
    }
    let words: Vec<String> =
        runs.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a} to {b}") }).collect();
    words.join(", ")
}

/// Texts of all QR codes in a PNG image.
fn decode_image(path: &Path, bytes: &[u8]) -> Result<Vec<Zeroizing<String>>, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("{}: {why}", path.display()), "give a PNG image with whole, sharp codes, or their text")
    };
    let (width, height, grey) = grey(bytes).map_err(&refused)?;
    let pixel = |x: usize, y: usize| grey.get(y * width + x).copied().unwrap_or(0xFF);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let grids = image.detect_grids();
    if grids.is_empty() {
        return Err(refused("no QR code is in it".into()));
    }
    let decoded = grids.iter().map(|grid| grid.decode().map(|(_, text)| Zeroizing::new(text)));
    decoded.collect::<Result<_, _>>().map_err(|e| refused(format!("a QR code in it cannot be read ({e})")))
}

/// Width, height, one grey byte a pixel.
fn grey(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>), String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (width, height) = (reader.info().width, reader.info().height);
    if u64::from(width) * u64::from(height) > limits::IMAGE_PIXELS_MAX {
        return Err("it has too many pixels".into());
    }
    let mut buffer = vec![0; reader.output_buffer_size().ok_or("it is too large")?];
    let frame = reader.next_frame(&mut buffer).map_err(|e| e.to_string())?;
    let pixels = buffer.get(..frame.buffer_size()).unwrap_or_default();
    let grey = pixels.chunks_exact(frame.color_type.samples()).map(|p| match p {
        [grey] | [grey, _] => *grey,
        [r, g, b, ..] => ((u32::from(*r) * 77 + u32::from(*g) * 150 + u32::from(*b) * 29) >> 8) as u8,
        [] => 0xFF,
    });
    Ok((width as usize, height as usize, grey.collect()))
}

fn not_parts(place: &str) -> Failure {
    Failure::usage(
        format!("{place}: not a part of a file (parts begin with {})", parts::PREFIX),
        "give the text or PNG images of the codes, or leave --qr away for the file itself",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::qr::Code;

    fn split(len: usize) -> (Vec<u8>, Vec<Zeroizing<String>>) {
        let file: Vec<u8> = (0..len).map(|n| (n * 13) as u8).collect();
        let parts = parts::split(&file).unwrap();
        (file, parts)
    }

    #[test]
    fn texts_and_images_in_any_order_make_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, parts) = split(1_800);
        let mut sources = Vec::new();
        for (n, part) in parts.iter().enumerate().rev() {
            let path = dir.path().join(n.to_string());
            if n % 2 == 0 {
                std::fs::write(&path, Code::of(part).unwrap().png().unwrap()).unwrap();
            } else {
                std::fs::write(&path, format!("\n{}\n\n", **part)).unwrap();
            }
            sources.push(path);
        }
        let out = Output { json: false };
        assert_eq!(*collect(&sources, &out).unwrap(), file);
        let missing = collect(&sources[1..], &out).unwrap_err();
        assert!(missing.message.contains("these are missing: 4"), "{missing}");
        std::fs::write(&sources[0], "hello").unwrap();
        assert_eq!(collect(&sources, &out).unwrap_err().exit, Exit::Usage);
        std::fs::write(&sources[0], b"\x89PNG\r\n\x1a\nnot really").unwrap();
        assert_eq!(collect(&sources, &out).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn missing_parts_are_said_in_few_words() {
        let (_, parts) = split(480 * 9);
        let mut collector = Collector::new();
        for n in [1, 7] {
            collector.add(&parts[n]).unwrap();
        }
        assert_eq!(ranges(&collector), "1, 3 to 7, 9");
        assert_eq!(progress(&collector), "2 of 9 parts; missing: 1, 3 to 7, 9");
    }
}
