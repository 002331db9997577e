/**
 * Returns the PEM blocks with this very label, the only ones that Node's TLS reads; `what` they are is named where there is none.
 * @throws Error with a sentence for the operator
 * @see RFC 7468
 */
export function pemBlocks(pem: string, label: string, what: string): string[] {
  const found = pem.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, 'g'))
  if (found === null) throw new Error(`${what} has no PEM block "BEGIN ${label}"`)
  return found
}

/** Returns what `parse` makes of a PEM block. @throws Error with a sentence for the operator */
export function readBlock<T>(parse: () => T, what: string): T {
  try {
    return parse()
  } catch (cause) {
    throw new Error(`${what} has a PEM block that cannot be read`, { cause })
  }
}
