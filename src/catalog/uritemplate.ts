/** RFC 6570: literals and expressions in turn; `operator` is empty for `{var}`. */
export type Part = { literal: string } | { expression: string; operator: string };

const MAX_EXPRESSIONS = 32;
const OPERATORS = "+#./;?&";
/** What the expansion of an expression can hold, besides its variables' own text (RFC 6570 section 3.2). */
const RESERVED_TOO: ReadonlySet<string> = new Set(["+", "#"]);

/** Parts of a template; null when it is malformed or has more than 32 expressions. */
export function partsOf(template: string): Part[] | null {
  const parts: Part[] = [];
  for (let at = 0; at < template.length; ) {
    const open = template.indexOf("{", at);
    if (open === -1) return template.includes("}", at) ? null : [...parts, { literal: template.slice(at) }];
    const close = template.indexOf("}", open);
    const literal = template.slice(at, open);
    const expression = template.slice(open, close + 1);
    if (close === -1 || literal.includes("}") || !/^\{[+#./;?&]?[^{}]+\}$/.test(expression) || parts.length > 2 * MAX_EXPRESSIONS) return null;
    if (literal) parts.push({ literal });
    const operator = expression.charAt(1);
    parts.push({ expression, operator: OPERATORS.includes(operator) ? operator : "" });
    at = close + 1;
  }
  return parts;
}

/**
 * What each expression stands for in the URI, in order, as written there; null: the URI does not come from this template.
 * Time is linear in template parts times characters. Not checked: that repeated variables have one value.
 */
export function matchTemplate(parts: readonly Part[], uri: string): string[] | null {
  const reached: Uint8Array[] = [new Uint8Array(uri.length + 1)];
  const first = reached[0];
  if (first) first[0] = 1;
  for (const part of parts) {
    const before = reached[reached.length - 1];
    if (!before) return null;
    reached.push("literal" in part ? afterLiteral(part.literal, before, uri) : afterExpression(part.operator, before, uri));
  }
  return reached[parts.length]?.[uri.length] === 1 ? wayBack(parts, reached, uri) : null;
}

/** The template with the given texts in place of its expressions. */
export function fill(parts: readonly Part[], values: readonly string[]): string {
  const rest = [...values];
  return parts.map((part) => ("literal" in part ? part.literal : (rest.shift() ?? ""))).join("");
}

function afterLiteral(literal: string, before: Uint8Array, uri: string): Uint8Array {
  const after = new Uint8Array(uri.length + 1);
  for (let at = uri.indexOf(literal); at !== -1; at = uri.indexOf(literal, at + 1)) if (before[at] === 1) after[at + literal.length] = 1;
  return after;
}

function afterExpression(operator: string, before: Uint8Array, uri: string): Uint8Array {
  const after = new Uint8Array(uri.length + 1);
  let open = false;
  for (let at = 0; at <= uri.length; at++) {
    if (before[at] === 1) open = true;
    if (open) after[at] = 1;
    if (at < uri.length && !isAllowed(operator, uri.charAt(at))) open = false;
  }
  return after;
}

/** Follows the places reached from the end back; where two expressions could share, the later takes more. */
function wayBack(parts: readonly Part[], reached: readonly Uint8Array[], uri: string): string[] {
  const values: string[] = [];
  let end = uri.length;
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index];
    if (!part) continue;
    if ("literal" in part) {
      end -= part.literal.length;
      continue;
    }
    let start = end;
    for (let at = end; at >= 0; at--) {
      if (reached[index]?.[at] === 1) start = at;
      if (at > 0 && !isAllowed(part.operator, uri.charAt(at - 1))) break;
    }
    values.unshift(uri.slice(start, end));
    end = start;
  }
  return values;
}

/** Simple expansion writes unreserved and percent-encoded characters and commas; `+` and `#` reserved ones too; the others their own separators. */
function isAllowed(operator: string, character: string): boolean {
  if (RESERVED_TOO.has(operator)) return true;
  if (/[A-Za-z0-9\-._~%,]/.test(character) || character > "\u007f") return true;
  if (operator === "?" || operator === "&") return character === "?" || character === "&" || character === "=";
  if (operator === ";") return character === ";" || character === "=";
  return operator === "/" && character === "/";
}
