//! Numbers, hashes and times as text, without `fmt`: a message is made of little else.

const DIGIT_PAIRS: &[u8; 200] = b"\
    0001020304050607080910111213141516171819\
    2021222324252627282930313233343536373839\
    4041424344454647484950515253545556575859\
    6061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899";
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
const NANOS_PER_SECOND: u64 = 1_000_000_000;

pub(crate) fn decimal(number: u64, out: &mut Vec<u8>) {
    let width = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    zero_padded(number, width, out);
}

/// The lowest `width` (at most 20) decimal digits of `number`.
#[allow(clippy::cast_possible_truncation)] // below 100
pub(crate) fn zero_padded(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let digits = &mut digits[..width];
    let mut pairs = digits.rchunks_exact_mut(2);
    for pair in pairs.by_ref() {
        let at = (number % 100) as usize * 2;
        pair.copy_from_slice(&DIGIT_PAIRS[at..at + 2]);
        number /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + (number % 10) as u8;
    }
    out.extend_from_slice(digits);
}

pub(crate) fn hex(word: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 16];
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(word.to_be_bytes()) {
        *pair = [byte >> 4, byte & 15].map(|digit| HEX_DIGITS[usize::from(digit)]);
    }
    out.extend_from_slice(&digits);
}

/// RFC 3339 with a numeric offset and `fraction` digits after the second.
pub(crate) fn timestamp(unix_nanos: u64, offset_minutes: i16, fraction: usize, out: &mut Vec<u8>) {
    let offset_seconds = i64::from(offset_minutes) * 60;
    let local = (unix_nanos / NANOS_PER_SECOND).saturating_add_signed(offset_seconds);
    let (year, month, day) = civil(local / 86_400);
    for (number, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (local / 3600 % 24, 2, b':'),
        (local / 60 % 60, 2, b':'),
    ] {
        zero_padded(number, width, out);
        out.push(after);
    }
    zero_padded(local % 60, 2, out);
    if fraction > 0 {
        out.push(b'.');
        let start = out.len();
        zero_padded(unix_nanos % NANOS_PER_SECOND, 9, out);
        out.truncate(start + fraction);
    }
    out.push(if offset_minutes < 0 { b'-' } else { b'+' });
    let offset = u64::from(offset_minutes.unsigned_abs());
    zero_padded(offset / 60, 2, out);
    out.push(b':');
    zero_padded(offset % 60, 2, out);
}

/// Year, month and day of a day since 1970, counting years from March so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    let shifted = days + 719_468;
    let era = shifted / DAYS_PER_ERA;
    let day_of_era = shifted % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn decimals_are_exact() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(text(|out| decimal(number, out)), number.to_string());
        }
        assert_eq!(text(|out| zero_padded(7, 3, out)), "007");
        assert_eq!(text(|out| hex(0x1f, out)), "000000000000001f");
    }

    #[test]
    fn timestamps_follow_the_calendar() {
        let leap_day = 1_709_251_199_012_345_678;
        for (nanos, offset, fraction, expected) in [
            (0, 0, 0, "1970-01-01T00:00:00+00:00"),
            (leap_day, 0, 9, "2024-02-29T23:59:59.012345678+00:00"),
            (leap_day, 330, 6, "2024-03-01T05:29:59.012345+05:30"),
            (leap_day, -300, 3, "2024-02-29T18:59:59.012-05:00"),
        ] {
            assert_eq!(text(|out| timestamp(nanos, offset, fraction, out)), expected);
        }
    }
}
