//! Colours of a map, chosen to be distinguishable for colour-blind readers.

const FOR: [f32; 3] = [230.0, 97.0, 1.0];
const AGAINST: [f32; 3] = [33.0, 102.0, 172.0];

/// Colour of a pixel with this much ink and an attribution from -1 to 1, over a faint copy of the ink on white paper.
pub fn colour(ink: u8, value: f32) -> [u8; 3] {
    let share = value.abs().min(1.0).sqrt();
    let colour = if value > 0.0 { FOR } else { AGAINST };
    colour.map(|colour| ((255.0 - 0.25 * f32::from(ink)) * (1.0 - share) + colour * share).round() as u8)
}

/// The largest magnitude, or 1 if all values are 0.
pub fn largest(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    if largest > 0.0 { largest } else { 1.0 }
}
