CREATE TABLE product (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
  stock INTEGER NOT NULL CHECK (stock >= 0),
  description TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
);
-- Every sort of the product list ends in the id, so pages neither overlap nor leave gaps.
CREATE INDEX product_by_name ON product (name, id);
CREATE INDEX product_by_price ON product (price_cents, id);
CREATE INDEX product_by_category ON product (category, price_cents, id);

-- One row: raised by every change of a product, in the same transaction.
CREATE TABLE catalogue (revision INTEGER NOT NULL);
INSERT INTO catalogue VALUES (1);

CREATE TABLE cart_line (
  user TEXT NOT NULL,
  product_id INTEGER NOT NULL REFERENCES product (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (user, product_id)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE product_fts USING fts5 (
  name, category, description, content = 'product', content_rowid = 'id'
);
CREATE TRIGGER product_fts_update AFTER UPDATE OF name, category, description ON product BEGIN
  INSERT INTO product_fts (product_fts, rowid, name, category, description)
  VALUES ('delete', old.id, old.name, old.category, old.description);
  INSERT INTO product_fts (rowid, name, category, description)
  VALUES (new.id, new.name, new.category, new.description);
END;
