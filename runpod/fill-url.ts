/** Puts values in place of placeholders: form-encoded behind the `?` (a blank is a `+`), percent-encoded before it. */
export function fillUrl(template: string, values: Readonly<Record<string, string>>): string {
  const question = template.indexOf('?');
  const path = question < 0 ? template : template.slice(0, question);
  const query = question < 0 ? '' : template.slice(question);
  const fill = (text: string, encode: (value: string) => string) =>
    text.replace(/\$[A-Z_]+/g, (name) => (Object.hasOwn(values, name) ? encode(values[name] ?? '') : name));
  return fill(path, encodeURIComponent) + fill(query, (value) => encodeURIComponent(value).replaceAll('%20', '+'));
}
