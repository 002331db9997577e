import { Type, type TProperties } from 'typebox'

/** A value that nobody may change, all the way down. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/**
 * What a path in the configuration is for, so that the loader can make it absolute and report what is missing with its line:
 * `file` and `secret` must be readable files (a secret by its owner alone), a `directory` must exist, what is `made` need not.
 */
export type PathRole = 'file' | 'secret' | 'directory' | 'made'

/** Something without control characters: a NUL ends a path for the system, a line break a line of a message. */
export const PRINTABLE = '^[^\\u0000-\\u001f\\u007f]+$'

/** A mapping of these members and no others. */
export const closed = <T extends TProperties>(properties: T, description: string) => Type.Object(properties, { additionalProperties: false, description })

/** A mapping like {@link closed} that may be left out: all of its members have defaults, or may be left out too. */
export const section = <T extends TProperties>(properties: T, description: string) => Type.Object(properties, { additionalProperties: false, default: {}, description })

/** A line of text. */
export const text = (description: string, options: object = {}) => Type.String({ maxLength: 4096, pattern: PRINTABLE, description, ...options })

/** A path, which is relative to the folder of the configuration file. */
export const filePath = (pathRole: PathRole, description: string) => text(description, { pathRole })

/** A name by which something of the configuration is called elsewhere. */
export const name = (description: string) => Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', description })

/** A keyid, in quotes. */
export const keyid = (description: string) => Type.String({ pattern: '^[0-9]{1,10}$', description })

/** An address to listen on; loopback without it. */
export const host = (description: string) => Type.String({ pattern: '^[A-Za-z0-9._:%-]{1,255}$', default: '127.0.0.1', description })

/** A port to listen on. */
export const port = (fallback: number, description: string) => Type.Integer({ minimum: 0, maximum: 65535, default: fallback, description: `${description} 0 takes a free one.` })

/** A whole number from 1 on; its unit is in the name of its member. */
export const positive = (fallback: number, description: string, maximum = Number.MAX_SAFE_INTEGER) => Type.Integer({ minimum: 1, maximum, default: fallback, description })

/** A whole number from 1 on that need not be there. */
export const optionalPositive = (description: string, maximum = Number.MAX_SAFE_INTEGER) => Type.Optional(Type.Integer({ minimum: 1, maximum, description }))

/** A time, such as `2026-11-24T09:15:00Z`. */
export const time = (description: string) => Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$', description: `${description} RFC 3339, in UTC.` })

/** The member that says which of several mappings this one is. */
export const kind = <const K extends string>(value: K, description: string) => Type.Unsafe<K>({ type: 'string', const: value, description })

/** The environment of a process, all of it. */
export const environment = (description: string) =>
  Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String({ pattern: '^[^\\u0000]*$' }), { additionalProperties: false, default: {}, description })
