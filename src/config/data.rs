//! What options of `[data]` mean together.

use super::Data;

impl Data {
    /// Whether the verb is of any use: FEAT does not announce those that are switched off.
    pub fn offers(&self, verb: &str) -> bool {
        match verb {
            "MODE" => self.mode_z,
            "EPRT" => self.active && !self.epsv_only,
            _ => true,
        }
    }
}
