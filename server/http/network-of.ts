import { isIPv6 } from 'node:net'

/** Whoever is gone already has no address any more; all of those count as one. */
const NOWHERE = 'nowhere'

/**
 * Returns what one host is likely to have for itself: an IPv4 address, or the first 64 bits of an IPv6 address, of which it chooses the
 * rest freely (RFC 4291, 2.5.4). An IPv4 address that is mapped into IPv6 is itself.
 */
export function networkOf(address: string = NOWHERE): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : address
}

/** The first groups of an address, with what `::` stands for filled in. */
function groupsOf(address: string): readonly string[] {
  const [head = '', tail] = (address.split('%')[0] as string).split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const missing = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => '0')
  return [...before, ...missing, ...after]
}
