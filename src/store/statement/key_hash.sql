-- The 16 bytes that a row's key must be, made of its API, tenant and text: as KeyHash::of makes it.
substr(
  sha256(
    '\x0100000000000000'::bytea || set_byte('\x00', 0, api)
    || set_byte('\x0000000000000000', 0, octet_length(tenant)) || convert_to(tenant, 'UTF8')
    || set_byte(
      set_byte('\x0000000000000000', 0, octet_length(key_text) & 255), 1, octet_length(key_text) >> 8
    ) || convert_to(key_text, 'UTF8')
  ), 1, 16
)
