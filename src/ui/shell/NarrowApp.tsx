export function NarrowApp() {
  return <div />;
}
