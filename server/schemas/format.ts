import { Type, type Static } from 'typebox'

/** What a file can be recognised as by its content, beside a table of contents. `other` is everything else. */
export const ACCEPTABLE_FORMATS = ['installp', 'compress', 'rpm', 'tar', 'gzip', 'zip', 'xz', 'other'] as const

export const Format = Type.Enum(ACCEPTABLE_FORMATS, { $id: 'Format', type: 'string', description: 'What the file is by its content: `installp` package image, `compress` (interim fixes, `.epkg.Z`), `rpm`, …' })
export type Format = Static<typeof Format>
