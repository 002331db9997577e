import { FormatError } from '../error.ts'

/** The longest package or fileset name in bytes: the catalogue keeps it in a `char[145]`, NUL included. */
export const NAME_BYTES_MAX = 144

// Whatever is in this set is one byte long in every encoding AIX knows, so characters and bytes are the same count.
const NAME = /^[A-Za-z0-9._+-]+$/
const FTYPE = /^[A-Z0-9]{1,3}$/

/**
 * Returns `name` when it can name a package or a fileset: 1 to 144 ASCII letters, digits, `.`, `_`, `-`, `+`.
 * A colon in particular would shift the fields of a signature record.
 * @throws FormatError `NAME_MALFORMED`
 */
export function checkName(name: string): string {
  if (name.length <= NAME_BYTES_MAX && NAME.test(name)) return name
  throw new FormatError(
    'NAME_MALFORMED',
    `a package or fileset name has 1 to ${NAME_BYTES_MAX} letters, digits, dots, underscores, hyphens and plus signs`,
  )
}

/**
 * Returns `ftype` when it can be a package type: 1 to 3 capital letters or digits, such as `I`, `S` or `ML`.
 * @throws FormatError `FTYPE_MALFORMED`
 */
export function checkFtype(ftype: string): string {
  if (FTYPE.test(ftype)) return ftype
  throw new FormatError('FTYPE_MALFORMED', 'a package type has 1 to 3 capital letters or digits')
}
