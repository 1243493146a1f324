/** What the server says is wrong, told at the field that it names. Pure. */

/** `url: expected an address` is a fault of `url`; what names none of these fields is told below all of them. */
export function faultsOf<Field extends string>(message: string | null, fields: readonly Field[]): { at: Partial<Record<Field, string>>; other: string | null } {
  if (message === null) return { at: {}, other: null };
  const found = /^([a-z_]+)((?:[.[][\w.[\]-]*)?): (.+)$/s.exec(message);
  const field = fields.find((each) => each === found?.[1]);
  if (!found || field === undefined) return { at: {}, other: message };
  const inside = found[2] ? `${found[2].replace(/^\./, "")}: ` : "";
  const text = `${inside}${found[3]}`;
  return { at: { [field]: text.charAt(0).toUpperCase() + text.slice(1) } as Partial<Record<Field, string>>, other: null };
}
