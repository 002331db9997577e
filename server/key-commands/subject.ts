import type { JsonName } from '@peculiar/x509'
import { KeyCommandFault } from './fault.ts'

/** The attributes that a name may have; RFC 4514, section 3, has the same letters for them. */
const ATTRIBUTES: ReadonlySet<string> = new Set(['CN', 'O', 'OU', 'L', 'ST', 'C'])

const VALUE_CHARS_MAX = 64

/**
 * Parses the name of a certificate, such as `CN=release signing 1002, O=Example, C=DE`, into its attributes in that order. What a name
 * could say besides (several values in one attribute, escapes, other attributes) is refused and not guessed.
 * @throws KeyCommandFault (usage)
 * @see RFC 5280, appendix A.1 (ub-common-name, 64 characters; two letters of a country)
 */
export function parseSubject(text: string): JsonName {
  return text.split(',').map((part) => {
    const [attribute = '', value, ...more] = part.trim().split('=')
    if (value === undefined || more.length > 0 || !ATTRIBUTES.has(attribute)) throw refused(`'${part.trim()}' is none of ${[...ATTRIBUTES].map((name) => `${name}=…`).join(', ')}`)
    if (!/^[^\p{Cc}"+;<>\\#]+$/u.test(value) || value !== value.trim() || value.length > VALUE_CHARS_MAX) throw refused(`the value of ${attribute} must be 1 to ${VALUE_CHARS_MAX} characters without " + ; < > \\ # and without blanks around it`)
    if (attribute === 'C' && !/^[A-Z]{2}$/.test(value)) throw refused('C is a country of two capital letters, such as DE')
    return { [attribute]: [value] }
  })
}

function refused(why: string): KeyCommandFault {
  return new KeyCommandFault(`--subject: ${why}; for instance --subject 'CN=release signing 1002, O=Example'`, { usage: true })
}
