use super::strokes::STROKES;
use super::*;

/// A ring off the centre, on a ground, in a picture of this side.
fn ring(side: usize, pen: f32, ground: f32, ink: f32) -> Grey {
    let (centre, radius) = ([0.3 * side as f32, 0.6 * side as f32], 0.2 * side as f32);
    let value = |at: usize| {
        let (i, j) = ((at / side) as f32 - centre[0], (at % side) as f32 - centre[1]);
        let away = ((i * i + j * j).sqrt() - radius).abs();
        if away < pen / 2.0 { ink } else { ground + 0.1 * (at % side) as f32 / side as f32 }
    };
    Grey { step: 1, height: side, width: side, values: (0..side * side).map(value).collect() }
}

fn apply(grey: &Grey) -> Image {
    Prepare::Mnist.apply(Path::new("x"), grey, [28, 28]).unwrap()
}

#[test]
fn whatever_the_paper_the_pen_and_the_size_a_ring_is_the_same_ring() {
    for (side, pen, ground, ink) in [
        (200, 12.0, 0.9, 0.1),
        (200, 12.0, 0.1, 0.9),
        (64, 5.0, 0.6, 0.2),
        (900, 2.0, 0.8, 0.3),
        (900, 90.0, 0.8, 0.3),
        (28, 2.0, 0.7, 0.0),
    ] {
        let image = apply(&ring(side, pen, ground, ink));
        let what = format!("side {side}, pen {pen}, {ink} on {ground}: {:?}", image.bytes);
        assert!(image.ink, "{what}");
        let rows: Vec<usize> = (0..28).filter(|i| image.bytes[i * 28..][..28].iter().any(|&b| b > 60)).collect();
        let columns: Vec<usize> = (0..28).filter(|j| (0..28).any(|i| image.bytes[i * 28 + j] > 60)).collect();
        for span in [rows, columns] {
            let (first, last) = (span[0], span[span.len() - 1]);
            assert!((3..=5).contains(&first) && (22..=24).contains(&last), "{first}..{last}: {what}");
        }
        let at = |i: usize, j: usize| image.bytes[i * 28 + j];
        assert!(at(0, 0) == 0 && at(14, 14) == 0, "the ground and the hole are black: {what}");
        let width = (0..14).filter(|&i| at(i, 14) > 100).count();
        assert!((1..=5).contains(&width), "{width} pixels wide: {what}");
    }
}

#[test]
fn no_ink_is_no_ink_and_specks_are_none() {
    let mut blank = Grey { step: 1, height: 50, width: 60, values: vec![0.8; 3000] };
    assert_eq!(apply(&blank), Image { height: 28, width: 28, bytes: vec![0; 784], ink: false, doubt: None });
    for (at, value) in blank.values.iter_mut().enumerate() {
        *value += 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
    }
    assert!(!apply(&blank).ink, "noise is none");
    let mut ring = ring(200, 12.0, 0.9, 0.1);
    let clean = apply(&ring);
    for i in 180..183 {
        ring.values[i * 200 + 10..i * 200 + 13].fill(0.1);
    }
    assert_eq!(apply(&ring).bytes, clean.bytes, "a speck changes nothing");
}

/// A letter as wide as its picture, and one cut off at a side.
#[test]
fn ink_that_reaches_the_border_is_ink() {
    for (ground, ink) in [(0.9, 0.1), (0.1, 0.9)] {
        for side in [40, 300] {
            let value = |at: usize| {
                let (i, j) = (at / side, at % side);
                let noise = 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
                let stem = j < side / 4 || (i < side / 6 && j < side / 2);
                noise + if stem { ink } else { ground }
            };
            let grey = Grey { step: 1, height: side, width: side, values: (0..side * side).map(value).collect() };
            let image = apply(&grey);
            let filled = image.bytes.iter().filter(|&&b| b > 128).count();
            assert!(image.ink && (80..200).contains(&filled), "{side}, {ink} on {ground}: {filled}");
            let ink_at = |i: usize, j: usize| image.bytes[i * 28 + j] > 128;
            assert!(ink_at(20, 11) && !ink_at(20, 18), "{side}, {ink} on {ground}: {:?}", image.bytes);
        }
    }
    // A bold letter that was scaled up: black, white and the shades between them share the border.
    let shade = |j: usize| match j {
        ..4 => 0.68,
        4..140 => 0.05,
        _ => 1.0,
    };
    let bold = Grey { step: 1, height: 200, width: 200, values: (0..200 * 200).map(|at| shade(at % 200)).collect() };
    let image = apply(&bold);
    assert!(image.ink && image.bytes.iter().filter(|&&b| b > 200).count() > 20, "{:?}", image.bytes);
}

/// The time per pixel must not depend on the size.
#[test]
fn large_images_are_prepared_like_small_ones() {
    for side in [128, 1024] {
        let grey = ring(900, 2.0, 0.8, 0.3);
        let image = Prepare::Mnist.apply(Path::new("x"), &grey, [side, side]).unwrap();
        let at = |i: usize, j: usize| image.bytes[i * side + j];
        let width = (0..side / 2).filter(|&i| at(i, side / 2) > 100).count();
        let expected = STROKES.start * BOX * side as f32;
        assert!((width as f32 / expected - 1.0).abs() < 0.2, "{width} pixels of {side}, {expected} wanted");
        assert!(at(0, 0) == 0 && at(side / 2, side / 2) == 0);
    }
}

#[test]
fn what_is_prepared_already_stays_as_it_is() {
    let first = apply(&ring(200, 12.0, 0.9, 0.1));
    let values = first.bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
    assert_eq!(apply(&Grey { step: 1, height: 28, width: 28, values }), first);
}

#[test]
fn resize_keeps_aspect_and_polarity_and_none_wants_the_size() {
    let wide = Grey { step: 1, height: 10, width: 40, values: vec![128.0 / 255.0; 400] };
    let image = Prepare::Resize.apply(Path::new("x"), &wide, [28, 28]).unwrap();
    assert!(image.bytes.iter().all(|&b| b.abs_diff(128) <= 1), "{:?}", image.bytes);
    let text = Prepare::None.apply(Path::new("x.png"), &wide, [28, 28]).unwrap_err().to_string();
    assert!(text.contains("x.png") && text.contains("10x40") && text.contains("28x28"), "{text}");
    let exact = Prepare::None.apply(Path::new("x"), &wide, [10, 40]).unwrap();
    assert_eq!((exact.height, exact.width, exact.bytes[0]), (10, 40, 128));
}

/// A dark ring on light paper whose light and marks differ.
fn on_paper(change: impl Fn(f32, f32, f32) -> f32) -> Grey {
    let side = 300;
    let mut grey = ring(side, 15.0, 0.85, 0.2);
    for (at, value) in grey.values.iter_mut().enumerate() {
        *value = change((at / side) as f32 / side as f32, (at % side) as f32 / side as f32, *value);
    }
    grey
}

/// The largest difference of two images, each pixel against the nearest of its neighbours.
fn difference(a: &Image, b: &Image) -> u8 {
    let near = |at: usize| {
        let around = [at, at.wrapping_sub(1), at + 1, at.wrapping_sub(28), at + 28];
        around.into_iter().filter_map(|near| b.bytes.get(near)).map(|&other| other.abs_diff(a.bytes[at])).min()
    };
    (0..784).filter_map(near).max().unwrap_or(0)
}

#[test]
fn uneven_light_and_lines_on_the_paper_are_no_ink() {
    let clean = apply(&on_paper(|_, _, value| value));
    assert_eq!(clean.doubt, None);
    let corner = |i: f32, j: f32| 2.0 * ((i - 0.5).powi(2) + (j - 0.5).powi(2));
    let line = |at: f32| (at * 300.0) as usize % 30 < 2;
    // The condition, its picture, and true if lines must be removed.
    let cases: [(&str, Grey, bool); 8] = [
        ("a vignette", on_paper(|i, j, value| value * (1.0 - 0.5 * corner(i, j))), false),
        ("a lamp", on_paper(|i, j, value| value * (1.0 - 0.6 * (i * i + j * j).min(1.0))), false),
        ("half in shadow", on_paper(|_, j, value| value * (0.5 + ((j - 0.5) / 0.12).clamp(0.0, 0.5))), false),
        ("a corner in shadow", on_paper(|i, j, value| value * (1.0 - ((i + j - 1.0) / 0.12).clamp(0.0, 0.4))), false),
        ("a table beside", on_paper(|_, j, value| if j > 0.98 { 0.1 } else { value }), false),
        (
            "a frame",
            on_paper(|i, j, value| if [i, j].iter().any(|v| *v < 0.03 || *v > 0.97) { 0.2 } else { value }),
            false,
        ),
        ("ruled", on_paper(|i, _, value| if line(i) { value.min(0.5) } else { value }), true),
        ("squared", on_paper(|i, j, value| if line(i) || line(j) { value.min(0.5) } else { value }), true),
    ];
    for (what, grey, lined) in cases {
        let image = apply(&grey);
        let worst = difference(&image, &clean);
        assert!(image.ink && worst < 100, "{what}: {worst}");
        assert_eq!(image.doubt, lined.then_some(Doubt::Lined), "{what}");
    }
}

#[test]
fn the_inside_of_a_panel_is_read() {
    let inner = ring(200, 12.0, 0.1, 0.9);
    let clean = apply(&inner);
    let at = |at: usize| {
        let (i, j) = (at / 400, at % 400);
        let inside = (150..350).contains(&i) && (80..280).contains(&j);
        if inside { inner.values[(i - 150) * 200 + j - 80] } else { 1.0 }
    };
    let image = apply(&Grey { step: 1, height: 400, width: 400, values: (0..400 * 400).map(at).collect() });
    assert!(difference(&image, &clean) < 60, "{:?}", image.bytes);
    // A square is a character: there is nothing in it.
    let square = |at: usize| {
        let (i, j) = ((at / 200).abs_diff(100), (at % 200).abs_diff(100));
        if i.max(j) < 70 && i.max(j) > 60 { 0.1 } else { 0.9 }
    };
    let image = apply(&Grey { step: 1, height: 200, width: 200, values: (0..200 * 200).map(square).collect() });
    assert!(image.ink && image.bytes[4 * 28 + 14] > 100 && image.bytes[14 * 28 + 14] == 0, "{:?}", image.bytes);
}

#[test]
fn several_characters_are_counted_and_one_of_several_pieces_is_one() {
    let picture = |strokes: &[[usize; 4]]| {
        let drawn = |at: usize| {
            let (i, j) = (at / 200, at % 200);
            strokes
                .iter()
                .any(|[top, bottom, left, right]| (*top..*bottom).contains(&i) && (*left..*right).contains(&j))
        };
        apply(&Grey {
            step: 1,
            height: 200,
            width: 200,
            values: (0..200 * 200).map(|at| if drawn(at) { 0.1 } else { 0.9 }).collect(),
        })
    };
    let doubt = |strokes: &[[usize; 4]]| picture(strokes).doubt;
    assert_eq!(doubt(&[[60, 140, 60, 70], [60, 140, 120, 130]]), Some(Doubt::Several(2)));
    assert_eq!(doubt(&[[20, 80, 60, 70], [120, 180, 62, 72], [120, 180, 120, 130]]), Some(Doubt::Several(3)));
    assert_eq!(doubt(&[[90, 150, 95, 105], [60, 72, 94, 106]]), None, "an i and its dot");
    assert_eq!(doubt(&[[80, 92, 60, 140], [110, 122, 60, 140]]), None, "=");
    assert_eq!(doubt(&[[60, 70, 103, 140], [60, 140, 90, 100]]), None, "the bar of a 5 beside its body");
    assert_eq!(doubt(&[[0, 200, 90, 110]]), Some(Doubt::Cut));
    // A small mark far from the character is left out.
    let alone = picture(&[[60, 140, 90, 100]]);
    assert_eq!(picture(&[[60, 140, 90, 100], [180, 188, 20, 28]]), alone);
}

#[test]
fn small_pictures_and_unprepared_ones_of_the_right_size_are_read_like_large_ones() {
    let drawn = ring(224, 20.0, 0.1, 0.9);
    let large = apply(&drawn);
    // Without scaling up first, the sum at 28 is 11,509.
    for (side, most) in [(28, 8000), (14, 25_000)] {
        let source = plane(224, 224, drawn.values.clone());
        let values = resize(&source, side as u32, side as u32, FilterType::Triangle).into_raw();
        let image = apply(&Grey { step: 1, height: side, width: side, values });
        let worst = difference(&image, &large);
        let sum: u32 = image.bytes.iter().zip(&large.bytes).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(worst < 150 && sum < most, "{side}: {worst}, {sum} {:?}", image.bytes);
    }
}

/// More pieces than a picture of characters has: the time must not depend on their number.
#[test]
fn a_texture_is_several_characters() {
    let dots = |at: usize| if (at / 1000).is_multiple_of(4) && (at % 1000).is_multiple_of(4) { 0.1 } else { 0.9 };
    let grey = Grey { step: 1, height: 1000, width: 1000, values: (0..1_000_000).map(dots).collect() };
    let image = apply(&grey);
    assert!(image.ink && matches!(image.doubt, Some(Doubt::Several(count)) if count > 10), "{:?}", image.doubt);
    assert!(characters(&grey, [28, 28]).len() <= 500);
}
