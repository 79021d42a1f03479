//! Settings from the environment, and from `.env` in development.
//!
//! A function describes its settings as one flat struct, a documented field a variable, named
//! like the variable in lower case. A variable that is set to nothing counts as not set.

use std::{fmt::Display, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

/// Why the settings cannot be used; the message names the variable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Reads the settings `C` from the process's environment, completed by a `.env` file in this
/// folder or one above it.
///
/// # Errors
/// A required variable is missing, a value does not fit, or `.env` cannot be read.
pub fn load<C: DeserializeOwned>() -> Result<C, Error> {
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => return Err(Error(format!(".env: {error}"))),
        _ => {}
    }
    from_vars(std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    }))
}

/// Reads the settings `C` from `vars`, pairs of a variable's name and value.
///
/// # Errors
/// As for [`load`].
pub fn from_vars<C: DeserializeOwned>(
    vars: impl IntoIterator<Item = (String, String)>,
) -> Result<C, Error> {
    let set = vars.into_iter().filter(|(_, value)| !value.is_empty());
    envy::from_iter::<_, Named<C>>(set).map(|named| named.0).map_err(|error| {
        Error(match error {
            envy::Error::MissingValue(field) => {
                format!("{} is required, but not set", field.to_uppercase())
            }
            envy::Error::Custom(message) => message,
        })
    })
}

/// A number that may be written with separators, as in `524_288`.
///
/// # Errors
/// The text is no number, or one that `N` cannot hold.
pub fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.replace('_', "")
        .parse()
        .map_err(|error| D::Error::custom(format!("`{text}` is not a number in range: {error}")))
}

/// As [`number`], for a variable that has no default.
///
/// # Errors
/// As for [`number`].
pub fn optional_number<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr<Err: Display>,
{
    number(deserializer).map(Some)
}

/// Makes `C`'s errors name the variable: envy names it for some types only.
struct Named<C>(C);

impl<'de, C: Deserialize<'de>> Deserialize<'de> for Named<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_path_to_error::deserialize(deserializer).map(|config| Self(config)).map_err(|error| {
            let field = error.path().to_string();
            if field == "." {
                return error.into_inner();
            }
            D::Error::custom(format!("{}: {}", field.to_uppercase(), error.inner()))
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::IpAddr;

    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Sample {
        database_url: String,
        #[serde(default, deserialize_with = "super::number")]
        ws_max_payload: u32,
        bind: Option<IpAddr>,
    }

    fn parse(vars: &[(&str, &str)]) -> Result<Sample, String> {
        let owned = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        super::from_vars(owned).map_err(|error| error.to_string())
    }

    #[test]
    fn separators_and_empty_values_are_understood() {
        let sample = parse(&[("DATABASE_URL", "x"), ("WS_MAX_PAYLOAD", "524_288"), ("BIND", "")]);
        let sample = sample.unwrap();
        assert_eq!((sample.database_url.as_str(), sample.ws_max_payload), ("x", 524_288));
        assert_eq!(sample.bind, None);
    }

    #[test]
    fn every_error_names_its_variable() {
        for (vars, expected) in [
            (vec![], "DATABASE_URL is required, but not set"),
            (vec![("DATABASE_URL", "x"), ("BIND", "here")], "BIND: invalid IP address syntax"),
            (
                vec![("DATABASE_URL", "x"), ("WS_MAX_PAYLOAD", "1e3")],
                "WS_MAX_PAYLOAD: `1e3` is not a number in range: invalid digit found in string",
            ),
        ] {
            assert_eq!(parse(&vars).unwrap_err(), expected);
        }
    }
}
