const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Marks for the CPU map, one after the other: lower case for pinned containers, upper case for exclusive ones. */
export function marks(): (kind: "pinned" | "exclusive") => string {
  let used = 0;
  return (kind) => {
    const letter = LETTERS[used++ % LETTERS.length] ?? "";
    return kind === "pinned" ? letter : letter.toUpperCase();
  };
}
