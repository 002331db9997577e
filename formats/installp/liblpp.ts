import { Buffer } from 'node:buffer'

/** One control file of a fileset, such as `PkgA.rte.inventory`. */
export type ArchiveMember = Readonly<{ name: string; data: Uint8Array }>

const MAGIC = '<aiaff>\n'
const FIXED_HEADER_BYTES = 68
const FIELD_CHARS = 12
const MEMBER_END = '`\n'

/**
 * Returns an AIX small-format archive, what `liblpp.a` is: the magic `<aiaff>`, five offsets, the members chained both ways, and a
 * table of their offsets and names. `modifiedAt` is in seconds since 1970.
 *
 * Members are aligned as `mkinstallp` leaves them: to an even offset and two bytes more. Readers follow the offsets.
 * @throws RangeError for a number that does not fit its field of twelve decimal digits
 * @see docs/formats/bff.md#liblppa
 */
export function writeArchive(members: readonly ArchiveMember[], modifiedAt: number): Buffer {
  const offsets = memberOffsets(members)
  const tableAt = offsets.at(-1) as number
  const parts = members.map((member, index) => {
    const chain = { next: offsets[index + 1] as number, previous: offsets[index - 1] ?? 0 }
    return padTo(encodeMember(member.name, member.data, { ...chain, modifiedAt, mode: '644' }), chain.next - (offsets[index] as number))
  })
  const first = members.length === 0 ? 0 : FIXED_HEADER_BYTES
  const last = offsets.at(-2) ?? 0
  const table = encodeMember('', memberTable(members, offsets), { next: 0, previous: last, modifiedAt: 0, mode: '0' })
  const header = Buffer.from(MAGIC + [tableAt, 0, first, last, 0].map((value) => field(value)).join(''), 'latin1')
  return Buffer.concat([header, ...parts, padTo(table, table.length + (table.length % 2))])
}

type MemberHeader = Readonly<{ next: number; previous: number; modifiedAt: number; mode: string }>

/** The offset of each member, and last that of the table behind them. */
function memberOffsets(members: readonly ArchiveMember[]): number[] {
  const offsets = [FIXED_HEADER_BYTES]
  for (const { name, data } of members) {
    const end = (offsets.at(-1) as number) + memberHeaderBytes(name) + data.length
    offsets.push(end + (end % 2) + 2)
  }
  return offsets
}

function memberHeaderBytes(name: string): number {
  return 7 * FIELD_CHARS + 4 + name.length + (name.length % 2) + MEMBER_END.length
}

function encodeMember(name: string, data: Uint8Array, header: MemberHeader): Buffer {
  const { next, previous, modifiedAt, mode } = header
  const numbers = [data.length, next, previous, modifiedAt, 0, 0, mode].map((value) => field(value)).join('')
  const nameField = String(name.length).padEnd(4) + name + (name.length % 2 === 0 ? '' : '\0')
  return Buffer.concat([Buffer.from(numbers + nameField + MEMBER_END, 'latin1'), data])
}

function memberTable(members: readonly ArchiveMember[], offsets: readonly number[]): Buffer {
  const numbers = [members.length, ...offsets.slice(0, -1)].map((value) => field(value)).join('')
  return Buffer.from(numbers + members.map((member) => `${member.name}\0`).join(''), 'latin1')
}

function field(value: number | string): string {
  const text = String(value)
  if (text.length > FIELD_CHARS) throw new RangeError(`a number in an archive has at most ${FIELD_CHARS} digits`)
  return text.padEnd(FIELD_CHARS)
}

function padTo(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes], length)
}
