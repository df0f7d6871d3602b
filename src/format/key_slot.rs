//! key_slot
