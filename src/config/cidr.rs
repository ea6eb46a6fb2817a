//! Address ranges.

use serde::Deserialize;

/// An address range, `10.0.0.0/8` or `::1/128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cidr {
    address: std::net::IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in the range. An IPv4 address never lies in an IPv6 range.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        use std::net::IpAddr::{V4, V6};
        match (self.address, address.to_canonical()) {
            (V4(range), V4(ip)) => {
                u32::from(range).checked_shr(32 - u32::from(self.prefix)) == u32::from(ip).checked_shr(32 - u32::from(self.prefix))
            }
            (V6(range), V6(ip)) => {
                u128::from(range).checked_shr(128 - u32::from(self.prefix)) == u128::from(ip).checked_shr(128 - u32::from(self.prefix))
            }
            _ => false,
        }
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address range such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}
